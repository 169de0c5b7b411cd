"""Write colours into a video so that they look as in the source."""

from __future__ import annotations

from dataclasses import dataclass

_CONVERSIONS = {
    "bt709": "bt709",
    "bt470bg": "bt470",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "fcc": "fcc",
    "bt2020nc": "bt2020",
}
"""A matrix's name in tags -> its name in ffmpeg's ``scale`` filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """The meaning of a video's Y'CbCr values (ITU-T H.273), in ffmpeg's names; None where untagged.

    The tags of an SDR source are kept, and RGB is encoded with the matrix it was decoded with, so players show the
    annotated video like the source. Decoders take an untagged matrix as BT.601. HDR is decoded to SDR in BT.709
    and written as such.
    """

    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None

    @property
    def is_hdr(self) -> bool:
        """Whether it is PQ or HLG (BT.2100; includes the base layer of Dolby Vision that other players show)."""
        return self.transfer in ("smpte2084", "arib-std-b67")

    def completed(self, other: Colour) -> Colour:
        """The same, with missing tags taken from another."""
        return Colour(
            matrix=self.matrix or other.matrix,
            primaries=self.primaries or other.primaries,
            transfer=self.transfer or other.transfer,
        )

    def filters(self) -> str:
        """ffmpeg filters from RGB to tagged yuv420p in limited range."""
        matrix = "bt709" if self.matrix == "gbr" else self.matrix
        conversion = _CONVERSIONS.get(matrix or "", "smpte170m")
        tags = {"range": "tv", "colorspace": matrix, "color_primaries": self.primaries, "color_trc": self.transfer}
        return ",".join(
            (
                f"scale=out_color_matrix={conversion}:out_range=tv",
                "format=yuv420p",
                "setparams=" + ":".join(f"{name}={value or 'unknown'}" for name, value in tags.items()),
            )
        )


HD = Colour(matrix="bt709", primaries="bt709", transfer="bt709")
"""Written for sources without tags: images and cameras."""
