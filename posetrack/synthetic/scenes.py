"""Ready-made clips: situations that a tracker must handle, and the demo.

Each is a function of a frame size and of a seed, which determines people, place and light. The camera stands at
eye level, about six metres from the people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from posetrack.synthetic.backdrops import Backdrop
from posetrack.synthetic.camera import Camera, Handheld
from posetrack.synthetic.outfits import Column, random_outfit
from posetrack.synthetic.performers import Performer
from posetrack.synthetic.scene import Scene, Shot

Size = tuple[int, int]
Path = tuple[tuple[float, float, float], ...]

_SIZE: Size = (960, 540)
_FPS = 25.0


def crossing(seed: int = 0, size: Size = _SIZE) -> Scene:
    """Four people cross in front of each other, two from each side; nobody leaves. 6 s."""
    depths = (5.2, 6.0, 6.9, 7.8)
    paths = [
        ((0.5, side * reach, depth), (5.5, -side * reach, depth))
        for depth, side, reach in zip(depths, (1, -1, 1, -1), (2.3, 2.6, 2.0, 2.2), strict=True)
    ]
    return _scene("crossing", seed, (_shot(seed, size, "street", _walkers(seed, paths), seconds=6.0),))


def occlusion(seed: int = 0, size: Size = _SIZE) -> Scene:
    """One person passes behind a pillar, another behind a standing person; both reappear. 6 s."""
    people = _walkers(
        seed,
        [
            ((0.5, -2.6, 6.4), (3.6, 0.2, 6.4)),
            ((0.0, 1.35, 5.4),),
            ((0.5, 3.2, 7.6), (3.4, 1.0, 7.6)),
        ],
    )
    pillar = Column(x=-0.75, z=5.2, radius=0.33, height=4.5, colour=(0.62, 0.60, 0.56), seed=seed)
    shot = replace(_shot(seed, size, "hall", people, seconds=6.0), columns=(pillar,))
    return _scene("occlusion", seed, (shot,))


def leaving(seed: int = 0, size: Size = _SIZE) -> Scene:
    """Two people walk out of the frame, one to each side; the third stays. 6 s."""
    paths: list[Path] = [
        ((0.5, -0.6, 5.6), (4.0, -5.2, 5.6)),
        ((1.0, 0.9, 6.6), (5.0, 5.9, 6.6)),
        ((0.0, 0.2, 7.4),),
    ]
    return _scene("leaving", seed, (_shot(seed, size, "park", _walkers(seed, paths), seconds=6.0),))


def re_entering(seed: int = 0, size: Size = _SIZE) -> Scene:
    """One person walks out to the left, turns around and comes back; another stays. 8 s."""
    paths: list[Path] = [
        ((0.4, -1.2, 5.8), (2.6, -4.6, 5.8), (3.4, -4.6, 6.0), (6.6, -0.9, 6.0)),
        ((0.0, 1.3, 6.2),),
    ]
    return _scene("re_entering", seed, (_shot(seed, size, "street", _walkers(seed, paths), seconds=8.0),))


def cut(seed: int = 0, size: Size = _SIZE) -> Scene:
    """A hard cut after 2.4 s to another place with three other people (numbers 10 to 12). 4.8 s."""
    before = _walkers(
        seed, [((0.0, -1.6, 6.0), (3.0, 1.4, 6.0)), ((0.0, 1.2, 5.4),), ((0.0, 2.4, 7.0), (3.0, -1.0, 7.2))]
    )
    after = _walkers(
        seed + 1,
        [((0.0, -1.5, 5.6),), ((0.0, 2.2, 6.4), (3.0, -1.2, 6.4)), ((0.0, 0.3, 7.4), (3.0, 0.6, 5.0))],
        first=10,
    )
    return _scene(
        "cut",
        seed,
        (_shot(seed, size, "street", before, seconds=2.4), _shot(seed + 1, size, "hall", after, seconds=2.4)),
    )


def camera_shake(seed: int = 0, size: Size = _SIZE) -> Scene:
    """Three people filmed by a camera that shakes and pans by a third of the frame. 5 s."""
    people = _walkers(
        seed, [((0.0, -1.4, 5.8), (5.0, 2.2, 6.2)), ((0.0, 0.9, 5.2),), ((0.0, 3.0, 7.0), (5.0, -0.6, 7.0))]
    )
    scale = size[0] / 960
    hand = Handheld(pan=(60.0 * scale, 0.0), shake_px=7.0 * scale, roll=0.012, zoom=0.01, seed=seed)
    shot = replace(_shot(seed, size, "park", people, seconds=5.0), handheld=hand)
    return _scene("camera_shake", seed, (shot,))


def demo(seed: int = 0, size: Size = _SIZE) -> Scene:
    """Six people in a street cross, hide each other and pass behind a lamp post; one runs. 9 s."""
    paths: list[Path] = [
        ((0.0, -2.5, 5.6), (5.5, 3.0, 6.0), (8.5, 3.4, 8.0)),
        ((0.0, 2.9, 6.6), (6.0, -2.7, 6.2), (9.0, -3.4, 8.0)),
        ((0.0, -2.6, 8.2), (9.0, 1.2, 5.3)),
        ((0.0, 1.9, 9.2), (4.0, -0.6, 7.6), (6.0, -0.6, 7.6), (9.0, -1.8, 5.2)),
        ((0.0, 2.5, 8.6),),
        ((1.0, -6.8, 7.3), (5.6, 7.5, 7.6)),
    ]
    people = _walkers(seed, paths, standing=("idle", "idle", "idle", "wave", "idle", "idle"))
    post = Column(x=0.55, z=5.0, radius=0.055, height=5.0, colour=(0.16, 0.19, 0.18), seed=seed)
    hand = Handheld(shake_px=1.6 * size[0] / 960, roll=0.002, seed=seed)
    shot = replace(_shot(seed, size, "street", people, seconds=9.0), columns=(post,), handheld=hand)
    return _scene("demo", seed, (shot,))


def promenade(people: int, seed: int = 0, size: Size = _SIZE, seconds: float = 10.0) -> Scene:
    """Any number of people stroll back and forth side by side, some near, some far; nobody leaves."""
    paths: list[Path] = []
    for k in range(people):
        depth = (5.8, 8.2, 7.0, 9.4)[k % 4]
        middle = 0.84 * depth * ((k + 0.5) / people - 0.5)
        stroll = 0.6 if k % 2 else -0.6
        times = np.arange(k % 3, seconds + 3.0, 3.0)
        paths.append(tuple((float(t), middle + stroll * (-1) ** i, depth) for i, t in enumerate(times)))
    shot = _shot(seed, size, "street", _walkers(seed, paths), seconds=seconds)
    return _scene(f"promenade_{people}", seed, (shot,))


SCENES: dict[str, Callable[[int, Size], Scene]] = {
    "crossing": crossing,
    "occlusion": occlusion,
    "leaving": leaving,
    "re_entering": re_entering,
    "cut": cut,
    "camera_shake": camera_shake,
    "demo": demo,
}
"""The scenes by name."""


def _scene(name: str, seed: int, shots: tuple[Shot, ...]) -> Scene:
    return Scene(name=name, shots=shots, fps=_FPS, seed=seed)


def _walkers(
    seed: int, paths: Sequence[Path], *, first: int = 0, standing: Sequence[str] | None = None
) -> tuple[tuple[int, Performer], ...]:
    """People on these paths, numbered from ``first``, in different clothes and out of step."""
    rng = np.random.default_rng((seed, first))
    return tuple(
        (
            first + k,
            Performer(
                outfit=random_outfit(rng),
                path=path,
                standing="idle" if standing is None else standing[k],
                facing=np.pi + float(rng.uniform(-0.6, 0.6)),
                vigour=float(rng.uniform(0.9, 1.05)),
                phase=float(rng.random()),
            ),
        )
        for k, path in enumerate(paths)
    )


def _shot(seed: int, size: Size, place: str, people: tuple[tuple[int, Performer], ...], *, seconds: float) -> Shot:
    width, height = size
    return Shot(
        camera=Camera(width=width, height=height, focal_px=0.95 * width, altitude_m=1.6, pitch=0.08),
        backdrop=Backdrop(place=place, seed=seed, clear_m=13.0, margin=max(32, width * 2 // 5)),
        people=people,
        frame_count=round(seconds * _FPS),
    )
