"""The network of the skin_hair system: one, in three files."""

from typing import Final

from training.entries.entry import IMAGENET, Entry
from training.entries.paint import PAINT, TERMS

HEADS: Final = {
    "skin_type": ("normal", "dry", "oily", "combination", "sensitive"),
    "hair_type": ("straight", "wavy", "curly", "coily"),
    "condition": ("healthy", "mild_acne", "severe_acne", "eczema", "psoriasis"),
}
"""Labels by head, in the order of the 14 logits."""
KINDS: Final = {
    "skin_hair": ("skin_hair.onnx", "onnx", "for ONNX Runtime"),
    "skin_hair_tflite": ("skin_hair_float32.tflite", "tflite", "in floats, for LiteRT"),
    "skin_hair_int8": ("skin_hair_int8.tflite", "tflite", "wholly in int8, for LiteRT"),
}
"""Model's name to its file, its runtime, and words."""


def groups() -> dict[str, tuple[int, ...]]:
    """Indices of each head's logits."""
    found: dict[str, tuple[int, ...]] = {}
    for head, labels in HEADS.items():
        begin = sum(map(len, found.values()))
        found[head] = tuple(range(begin, begin + len(labels)))
    return found


def kind(name: str) -> Entry:
    """One of the three files."""
    file, runtime, words = KINDS[name]
    return Entry(
        name=name,
        file=file,
        runtime=runtime,
        recipe="skin_hair",
        task="heads",
        title=f"Skin type, hair type and condition, {words}",
        input={"name": "image", "size": [224, 224], **IMAGENET},
        outputs={"logits": "logits"},
        labels={"logits": tuple(label for labels in HEADS.values() for label in labels)},
        groups=groups(),
        trained_on=("people_ccp",),
        scored_on=("skin_type",),
        terms=TERMS,
        good_for="showing one network with three questions, the same in ONNX, TFLite and int8",
        not_for="any statement about anybody's skin or hair: no picture of a known skin type, hair type or condition was "
        "among those it learned from",
        how="Four convolutions, which begin with those of skin_condition; the averages of all four go into one dense "
        "layer, fitted anew to the end after training (`training/refit.py`): 14 logits, a softmax over each head's own "
        f"(5, 4 and 5). {PAINT.format(pictures='2,000')} Hair is drawn anew, strand by strand, in place and colour of "
        "the real hair (`training/hair_paint.py`). Skin type, hair type and condition were drawn independently of each "
        "other. The three files hold the same weights, rounded by channel to what int8 can keep; int8 is TensorFlow's "
        "quantisation after training, weights by channel, activations by tensor, ranges from 300 training pictures.",
        weak=(
            "Learned from paint, scored on paint: accuracy on synthetic data says that the network finds our paint.",
            "The training was short: some 46,000 views of 2,000 pictures after a first run of about as many, and no more.",
            "Kinds of hair are painted far apart, in scale and structure, farther than real hair is: straight, wavy, curly "
            "and coily here are four textures.",
            "Real skin was shown to it only as the score on real close-ups above, which are other pictures than portraits.",
            "Heads are some 45 pixels tall in the source and enlarged; sharp portraits look different from what it saw.",
            "People of street fashion, many with sunglasses and hats; tones were shifted by us, not photographed.",
            "Only one condition is ever painted at a time.",
            "The three files agree less often than the 99 % they were meant to (see above): ONNX and TFLite in floats say "
            "the same, but int8 keeps activations, averages and logits in 256 steps each, which turns close calls.",
        ),
    )


SKIN_HAIR: Final = tuple(kind(name) for name in KINDS)
