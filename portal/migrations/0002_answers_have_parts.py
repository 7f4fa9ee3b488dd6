"""An answer is a list of parts, and a run has a reference."""

from django.db import migrations, models
from django.db.models import Q


def texts_become_parts(apps, schema_editor):
    Message = apps.get_model("portal", "Message")
    for answer in Message.objects.filter(role="assistant").exclude(text="").iterator():
        answer.parts = [{"kind": "text", "text": answer.text}]
        answer.text = ""
        answer.save(update_fields=["parts", "text"])


def parts_become_texts(apps, schema_editor):
    Message = apps.get_model("portal", "Message")
    for answer in Message.objects.filter(role="assistant").exclude(parts=[]).iterator():
        texts = [part["text"] for part in answer.parts if part["kind"] == "text"]
        answer.text = "\n\n".join(texts)
        answer.save(update_fields=["text"])


class Migration(migrations.Migration):
    # Data and a constraint on it: PostgreSQL checks no table in whose transaction it changed rows.
    atomic = False

    dependencies = [("portal", "0001_chat_and_signins")]

    operations = [
        migrations.AddField("message", "parts", models.JSONField(default=list)),
        migrations.AddField("run", "reference", models.CharField(max_length=20, default="", blank=True)),
        migrations.RunPython(texts_become_parts, parts_become_texts),
        migrations.AddConstraint(
            "message",
            models.CheckConstraint(
                condition=Q(role="user", parts=[]) | Q(role="assistant", text=""),
                name="portal_people_write_text_and_agents_parts",
            ),
        ),
    ]
