"""Point 6: a real Ollama opens the stores that the points before left behind, and answers from each model.

Alone it looks at a store of its own making: a file, texts over it, a copy, a Modelfile and two quantizations.
"""

from kept import LLAMITA, Kept, answer, create, fill, listed, on_store
from servers import Ollama
from web import Cut, call, call_ok

MODELFILE = f"""FROM {LLAMITA}
TEMPLATE \"\"\"<|im_start|>user
{{{{ .Prompt }}}}<|im_end|>
<|im_start|>assistant
\"\"\"
PARAMETER temperature 0
PARAMETER stop <|im_end|>
SYSTEM Be short.
LICENSE none
MESSAGE user Hi
MESSAGE assistant Hello!
"""
# What both say of a model in the same words.
SHOWN = ("details", "system", "license", "parameters", "messages", "capabilities")


def run(place, report):
    # Without Ollama the point ends before it makes anything.
    place.ollama()
    own = place.folder("own")
    with on_store(place, own) as server:
        fill(server, place)
        create(server, "from-text", modelfile=MODELFILE)
        for kind in ("q8_0", "q4_K_M"):
            create(server, f"quantized:{kind}", quantize=kind, **{"from": LLAMITA})
    failures, models = [], 0
    for store in [*place.stores, own]:
        with on_store(place, store) as server:
            kept = Kept(server)
            ours = listed(server)
            shown = {name: call_ok(server.address, "POST", "/api/show", {"model": name}) for name in ours}
        with Ollama(place, store) as ollama:
            failures += compared(ollama, ours, shown)
        with on_store(place, store) as server:
            failures += [f"after Ollama: {why}" for why in kept.lost(server)]
        models += len(ours)
    what = f"models in {len(place.stores) + 1} stores that a real Ollama lists, shows and answers from"
    report.none_of(what, failures, models, "all, and here they are as before")


def compared(ollama, ours, shown):
    """What Ollama lists, shows and answers otherwise than it should: a sentence for each model."""
    theirs = listed(ollama)
    failures = [f"{name} is only listed by Ollama" for name in theirs.keys() - ours.keys()]
    for name, model in ours.items():
        wrong = one_compared(ollama, theirs.get(name), model, shown[name])
        if wrong:
            failures.append(f"{name}: {'; '.join(wrong)}")
    return failures


def one_compared(ollama, theirs, ours, shown):
    if theirs is None:
        return ["Ollama does not list it"]
    wrong = [f"{field}: {theirs[field]!r}" for field in ("digest", "size") if theirs[field] != ours[field]]
    status, said = call(ollama.address, "POST", "/api/show", {"model": ours["name"]})
    if status != 200:
        return [*wrong, f"show: {status} {said}"]
    for field in SHOWN:
        there, here = said.get(field), shown.get(field)
        if field == "parameters":
            # Ollama prints them in another order each time.
            there, here = sorted((there or "").splitlines()), sorted((here or "").splitlines())
        if there != here:
            wrong.append(f"{field}: {there!r}, here {here!r}")
    try:
        if not answer(ollama, ours["name"]):
            wrong.append("its answer is empty")
    except (RuntimeError, Cut, OSError) as error:
        wrong.append(f"it does not answer: {error}")
    return wrong
