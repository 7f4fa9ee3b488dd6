"""What both scripts know besides their own subject."""

from demo.agents.scripted import Rule, Said, Say, mentions


def _recalled(said: Said) -> str:
    if not said.earlier:
        return "This is the first thing you said to me here."
    return f"Before this, you said: “{said.earlier[-1]}”"


RECALL = Rule(
    mentions(r"what did i (?:just )?(?:ask|say|tell)", r"(?:do|can) you remember"), Say(_recalled)
)
THANKS = Rule(mentions("thanks", "thank you", "cheers"), Say("You are welcome."))
