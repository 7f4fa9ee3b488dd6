"""The site's rows."""

from portal.models.chat import Conversation, Message, Run
from portal.models.consents import ConsentAtAws
from portal.models.signin import SignIn, UsedLogoutToken
from portal.models.tour import SeenTour

__all__ = [
    "ConsentAtAws",
    "Conversation",
    "Message",
    "Run",
    "SeenTour",
    "SignIn",
    "UsedLogoutToken",
]
