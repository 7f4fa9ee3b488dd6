"""Where everything is. The wire API and event streams are dispatched in `portal.asgi`."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from portal.api import attachments as attachments_api
from portal.api import grants, sessions
from portal.api import views as api
from portal.flows.signin import CallbackView
from portal.flows.signout import SignOutView
from portal.views import (
    access,
    activity,
    api_docs,
    attachments,
    chat,
    connections,
    health,
    language,
    logouts,
    my_data,
    signins,
    tour,
)

handler400 = "portal.views.errors.bad_request"
handler403 = "portal.views.errors.permission_denied"
handler404 = "portal.views.errors.page_not_found"
handler500 = "portal.views.errors.server_error"

_pages = [
    path("", chat.home, name="home"),
    path("chat/new/<str:agent_id>/", chat.chat_new, name="chat_new"),
    path("chat/<uuid:conversation_id>/", chat.chat, name="chat"),
    path("chat/<uuid:conversation_id>/export/<str:name>/", chat.export, name="chat_export"),
    path("attachments/<uuid:attachment_id>/", attachments.attachment, name="attachment"),
    path("language/", language.choose, name="language"),
    path("connections/", connections.connections, name="connections"),
    path("connections/complete/", connections.complete, name="connection_complete"),
    path(
        "connections/<uuid:grant_id>/disconnect/",
        connections.disconnect,
        name="connection_disconnect",
    ),
    path(
        "connections/<uuid:grant_id>/reconnect/",
        connections.reconnect,
        name="connection_reconnect",
    ),
    path(
        "connections/<uuid:grant_id>/dismiss/",
        connections.dismiss,
        name="connection_dismiss",
    ),
    path("connections/activity/", activity.activity, name="activity"),
    path("connections/data/", my_data.my_data, name="my_data"),
    path("connections/data/download/", my_data.download, name="my_data_download"),
    path("connections/data/delete/", my_data.delete, name="conversations_delete"),
    path("connections/data/restore/", my_data.restore, name="conversations_restore"),
    path("connections/sessions/", signins.signins, name="signins"),
    path("connections/sessions/end-others/", signins.end_others, name="signins_end_others"),
    path("connections/sessions/<uuid:signin_id>/end/", signins.end, name="signin_end"),
    path("oidc/<slug:name>/callback/", CallbackView.as_view(), name="callback_of"),
    path("oidc/<slug:name>/backchannel-logout/", logouts.backchannel, name="backchannel_logout_of"),
    path("tour/seen/", tour.seen, name="tour_seen"),
    path("api/docs/", api_docs.docs, name="api_docs"),
    path("api/v1/openapi.json", api_docs.openapi, name="openapi"),
]

_api = [
    path("agents", api.AgentsView.as_view()),
    path("conversations", api.ConversationsView.as_view()),
    path("conversations/<uuid:conversation_id>", api.ConversationView.as_view()),
    path("conversations/<uuid:conversation_id>/restore", api.ConversationRestoreView.as_view()),
    path("conversations/<uuid:conversation_id>/messages", api.MessagesView.as_view()),
    path("messages/<uuid:message_id>/edit", api.MessageEditView.as_view()),
    path("attachments", attachments_api.AttachmentsView.as_view()),
    path("attachments/<uuid:attachment_id>", attachments_api.AttachmentView.as_view()),
    path("grants", grants.GrantsView.as_view()),
    path("grants/<uuid:grant_id>", grants.GrantView.as_view()),
    path("sessions", sessions.SessionsView.as_view()),
    path("sessions/<int:session_id>", sessions.SessionView.as_view()),
    path("runs/<uuid:run_id>/stop", api.RunStopView.as_view()),
    path("runs/<uuid:run_id>/retry", api.RunRetryView.as_view()),
    path("runs/<uuid:run_id>/approvals/<uuid:approval_id>", api.RunApprovalView.as_view()),
    path("consents/<uuid:consent_id>/decline", api.ConsentDeclineView.as_view()),
    path("runs/<uuid:run_id>/feedback", api.RunFeedbackView.as_view()),
]

urlpatterns = [
    path("", include((_pages, "portal"))),
    path("api/v1/", include(_api)),
    # Before the library's own, which it takes the place of.
    path("oidc/logout/", SignOutView.as_view(), name="oidc_logout"),
    path("oidc/backchannel-logout/", logouts.backchannel, name="backchannel_logout"),
    path("oidc/frontchannel-logout/", logouts.frontchannel, name="frontchannel_logout"),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("", include("vault.urls")),
    path("admin/login/", access.admin_sign_in),
    path("admin/logout/", SignOutView.as_view()),
    path("admin/", admin.site.urls),
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
]
