"""A story that takes its time, so that a long answer can be stopped and come back to."""

from itertools import pairwise

_TOWNS = (
    "Aldham", "Brackwater", "Corvin", "Dunmere", "Eastholt", "Farrow", "Grimsel", "Harrowgate",
    "Inverley", "Jarrow", "Kestrel", "Lindale", "Marsh End", "Northfield", "Oakhanger", "Penrose",
    "Quarry Hill", "Ravensby", "Silverton", "Thornbury",
)  # fmt: skip
_WEATHER = ("in thin rain", "under a low sun", "through fog", "in bright wind", "by moonlight")
_KEEPERS = ("a miller", "two sisters", "a clerk with ink on both hands", "a retired pilot")
_QUESTIONS = (
    "who had sent her",
    "for whom the letter was",
    "whether she might open it",
    "how long her errand would be good for",
)
_OPENING = (
    "There was once a courier who never carried a letter in her own name. Each one came with a "
    "slip that said for whom she went, how far, and until when."
)
_CHAPTER = (
    "**Chapter {number}.** She reached {town} {weather}. There she met {keeper}, and was asked "
    "{question}. She showed the slip, which said so and no more, and they let her pass on the road "
    "to {next_town}."
)
_ENDING = (
    "At the last house she handed the letter over, tore the slip in two, and walked home with "
    "empty hands, as herself."
)


def long_story() -> str:
    """Return about eight hundred words of markdown."""
    chapters = [
        _CHAPTER.format(
            number=number + 1,
            town=town,
            weather=_WEATHER[number % len(_WEATHER)],
            keeper=_KEEPERS[number % len(_KEEPERS)],
            question=_QUESTIONS[(number // len(_KEEPERS) + number) % len(_QUESTIONS)],
            next_town=next_town,
        )
        for number, (town, next_town) in enumerate(pairwise(_TOWNS))
    ]
    return "\n\n".join([_OPENING, *chapters, _ENDING])
