#!/usr/bin/env python3
"""Writes Tests/Fixtures/templates/templates.json: chat templates, conversations, and what the reference renders.

The reference is `transformers` with `jinja2`:

    pip install "jinja2>=3.1.6" transformers numpy
    python3 Tools/make_template_fixtures.py

The templates are written for this file. They write the formats of well-known model families with the constructs that
those families' own templates use. The output depends on nothing but this file and the two libraries.
"""

import datetime as clock
import json
import pathlib

from transformers.utils import chat_template_utils as reference

from template_snippets import SNIPPETS, VALUES

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/templates/templates.json"
TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"


class FixedClock(clock.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 7, 14, 5, 9)


reference.datetime = FixedClock

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city, \"now\" & <soon>.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name, e.g. Zürich"},
                "days": {"type": ["integer", "null"], "default": 1},
                "units": {"type": "string", "enum": ["metric", "imperial"]},
            },
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, identifier="call00001"):
    return {"type": "function", "id": identifier, "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": "You answer in one line.\nNever shout.  "}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CONVERSATIONS = {
    "one question": ([user("Hello!")], {}),
    "system": ([SYSTEM, user("  What is 2 + 2?\n")], {}),
    "many turns": ([SYSTEM, user("Hi"), assistant(" Hello. "), user("And now?"), assistant("Now."), user("Bye")], {}),
    "answered": ([user("Hi"), assistant("Hello.\n")], {}),
    "unicode": ([user("Grüße 👩‍👩‍👧 — e\u0301 or \u00e9? 日本語\u2028x"), assistant("Ça va\t\"ok\" 'fine' \\ </s>")], {}),
    "empty": ([user(""), assistant(""), user("\n")], {}),
    "nothing": ([], {}),
    "system only": ([SYSTEM], {}),
    "wrong order": ([user("a"), user("b"), assistant("c")], {}),
    "no content": ([user("Hi"), {"role": "assistant"}, user("Well?")], {}),
    "null content": ([{"role": "user", "content": None}, assistant("Hm?")], {}),
    "parts": (
        [user([{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": " what is it?"}])],
        {},
    ),
    "tools": ([user("Weather in Bern?")], {"tools": [WEATHER, CLOCK]}),
    "tool calls": (
        [
            SYSTEM,
            user("Weather in Bern?"),
            assistant("", tool_calls=[call("get_weather", {"city": "Bern", "days": 2, "deep": {"a": [1.5, None, True]}})]),
            {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"sky\": \"grün\"}"},
            assistant("It is sunny."),
            user("Thanks"),
        ],
        {"tools": [WEATHER]},
    ),
    "two calls": (
        [
            user("Both?"),
            assistant(
                "Let me see.",
                tool_calls=[call("get_weather", "{\"city\": \"Bern\"}"), call("now", {}, "call00002")],
            ),
            {"role": "tool", "tool_call_id": "call00001", "content": "rain"},
            {"role": "tool", "tool_call_id": "call00002", "content": "12:00"},
        ],
        {"tools": [WEATHER, CLOCK], "date_string": "01 Jan 2025"},
    ),
    "reasoning": (
        [
            user("Think."),
            assistant("Done.", reasoning_content="\nFirst this,\nthen that.\n"),
            user("More."),
            assistant("<think>\nhidden\n</think>\n\nVisible."),
            user("/no_think End."),
        ],
        {"enable_thinking": False},
    ),
    "thinking": ([user("Think.")], {"enable_thinking": True}),
}
# The conversations that are rendered with and without a generation prompt.
BOTH_ENDINGS = {"one question", "many turns", "nothing", "tool calls"}


def value(item):
    """A value with its types and the order of its members written out, which plain JSON readers lose."""
    if isinstance(item, dict):
        return {"object": [{"name": name, "value": value(member)} for name, member in item.items()]}
    if isinstance(item, list):
        return [value(element) for element in item]
    if isinstance(item, bool) or item is None or isinstance(item, str):
        return item
    return {"int": item} if isinstance(item, int) else {"double": item}


def render(source, messages, prompt, context):
    """What the reference renders, or None and its words if it raises."""
    try:
        rendered, _ = reference.render_jinja_template(
            conversations=[messages], chat_template=source, add_generation_prompt=prompt, **context
        )
        return {"output": rendered[0]}
    except Exception as error:
        message = str(error) if type(error).__name__ == "TemplateError" else None
        return {"output": None, **({"refusal": message} if message is not None else {})}


def main():
    templates = {path.stem: path.read_text() for path in sorted(TEMPLATES.glob("*.jinja"))}
    chats = []
    for name, source in templates.items():
        for title, (messages, context) in CONVERSATIONS.items():
            for prompt in (True, False) if title in BOTH_ENDINGS else (True,):
                chats.append(
                    {
                        "template": name,
                        "conversation": title,
                        "prompt": prompt,
                        **render(source, messages, prompt, {**TOKENS, **context}),
                    }
                )
    snippets = [{"source": source, **render(source, [], True, VALUES)} for source in SNIPPETS]
    document = {
        "templates": templates,
        "conversations": {
            title: {"messages": value(messages), "context": value({**TOKENS, **context})}
            for title, (messages, context) in CONVERSATIONS.items()
        },
        "chats": chats,
        "snippetContext": value(VALUES),
        "snippets": snippets,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(document, ensure_ascii=False, indent=0) + "\n")
    raised = sum(entry["output"] is None for entry in chats), sum(entry["output"] is None for entry in snippets)
    print(f"{len(chats)} chats ({raised[0]} raise), {len(snippets)} snippets ({raised[1]} raise)")


if __name__ == "__main__":
    main()
