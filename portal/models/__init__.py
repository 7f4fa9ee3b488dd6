"""The site's rows."""

from portal.models.approvals import Approval
from portal.models.attachments import Attachment
from portal.models.chat import CHAT_SESSION, Conversation, Message, Run
from portal.models.consents import ConsentAtAws
from portal.models.feedback import Feedback
from portal.models.signin import SignIn, UsedLogoutToken
from portal.models.tour import SeenTour

__all__ = [
    "CHAT_SESSION",
    "Approval",
    "Attachment",
    "ConsentAtAws",
    "Conversation",
    "Feedback",
    "Message",
    "Run",
    "SeenTour",
    "SignIn",
    "UsedLogoutToken",
]
