"""The site's rows."""

from portal.models.chat import Conversation, Message, Run
from portal.models.signin import SignIn

__all__ = ["Conversation", "Message", "Run", "SignIn"]
