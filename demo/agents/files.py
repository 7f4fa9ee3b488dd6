"""What people attach to a question, as content that the models of Strands read."""

import base64
import binascii
import re
from pathlib import PurePosixPath
from typing import Any

from starlette.exceptions import HTTPException
from strands.types.content import ContentBlock, Messages

_IMAGES = {f"image/{kind}": kind for kind in ("png", "jpeg", "gif", "webp")}
_DOCUMENTS = {"application/pdf": "pdf", "text/markdown": "md", "text/csv": "csv"}
# Bedrock takes no other characters in a document's name.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9()\[\] -]+")


def files_in(payload: Any) -> list[ContentBlock]:
    """Return the files of an invocation: `attachments` beside the prompt, in their order.

    Raises:
        HTTPException: 400, it is nothing of that kind.
    """
    attached = payload.get("attachments", []) if isinstance(payload, dict) else []
    try:
        return [_content(one["name"], one["mediaType"], one["data"]) for one in attached]
    except (TypeError, KeyError, binascii.Error, ValueError) as exc:
        raise HTTPException(
            400, 'Send "attachments" as objects with "name", "mediaType" and "data" in base64.'
        ) from exc


def described(block: ContentBlock) -> str:
    """Return a file in words; empty: it is none."""
    image: Any = block.get("image")
    if image:
        return f"a picture ({image['format']}, {len(image['source']['bytes'])} bytes)"
    document: Any = block.get("document")
    if document:
        size = len(document["source"]["bytes"])
        return f"{document['name']}.{document['format']} ({size} bytes)"
    return ""


def without_files(messages: Messages) -> Messages:
    """Return messages as they are remembered: files are large, and stand in words there."""
    return [
        {
            "role": message["role"],
            "content": [
                {"text": f"[{words}]"} if (words := described(block)) else block
                for block in message["content"]
            ],
        }
        for message in messages
    ]


def _content(name: str, media_type: str, data: str) -> ContentBlock:
    source = {"bytes": base64.b64decode(data, validate=True)}
    block: Any = {"image": {"format": _IMAGES.get(media_type), "source": source}}
    if media_type not in _IMAGES:
        kind = _DOCUMENTS.get(media_type, "txt")
        stem = _NOT_IN_A_NAME.sub(" ", PurePosixPath(name).stem).strip() or "file"
        block = {"document": {"format": kind, "name": stem, "source": source}}
    content: ContentBlock = block
    return content
