"""What all programs of the imaging facility share: its layout and its quantities.

A facility keeps such a module beside its programs; it knows the conventions (which file of a
dataset is the picture, how quantities are called), so that each program is short.
"""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import color, filters, util
from skimage import io as image_files

from ijp.errors import BadRequestError
from ijp.job import InputDataset, InputFile, Job, Parameter

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
PREVIEW = "preview.png"
LABELS = "labels.tif"
_PREVIEW_PIXELS = 512


def drop_folder() -> Path:
    """Where instruments leave their files."""
    site = Path(__file__).resolve().parent.parent / "site.toml"
    place = tomllib.loads(site.read_text(encoding="utf-8"))["drop_folder"]
    return (site.parent / place).resolve()


def read(path: Path) -> np.ndarray:
    """A picture as rows x columns (grey) or rows x columns x channels; alpha is dropped.

    Raises:
        ValueError: The file is not a picture, or has more than one frame.
    """
    try:
        found = np.asarray(image_files.imread(path))
    except Exception as error:
        raise ValueError(f"not a picture: {error}") from error
    if found.ndim == 3 and found.shape[2] in (2, 4):
        found = found[..., :-1]
    if found.ndim == 3 and found.shape[2] == 1:
        found = found[..., 0]
    if found.ndim not in (2, 3) or (found.ndim == 3 and found.shape[2] > 4):
        raise ValueError(f"an array of shape {found.shape}, where one picture is expected")
    return found


def grey(picture: np.ndarray) -> np.ndarray:
    """The picture's brightness, 0 to 1."""
    if picture.ndim == 3:
        return color.rgb2gray(picture[..., :3])
    return util.img_as_float(picture)


def measured(picture: np.ndarray) -> list[Parameter]:
    """The quantities by which this facility's pictures are searched."""
    brightness = grey(picture)
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    return [
        Parameter("width", picture.shape[1], "px"),
        Parameter("height", picture.shape[0], "px"),
        Parameter("channels", channels),
        Parameter("bitDepth", picture.dtype.itemsize * 8, "bit"),
        Parameter("meanIntensity", float(brightness.mean()), error=float(brightness.std())),
        Parameter("contrast", float(np.percentile(brightness, 99) - np.percentile(brightness, 1))),
        Parameter("sharpness", float(filters.laplace(brightness).var() * 1e3)),
    ]


def tiff(values: np.ndarray) -> bytes:
    """Numbers for programs, not for eyes, as a TIFF file."""
    target = io.BytesIO()
    Image.fromarray(values).save(target, format="TIFF", compression="tiff_lzw")
    return target.getvalue()


def png(picture: np.ndarray) -> bytes:
    """A picture of 8 bits as a PNG file."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, format="PNG", optimize=True)
    return target.getvalue()


def preview(picture: np.ndarray) -> bytes:
    """A small PNG to look at."""
    made = Image.fromarray(util.img_as_ubyte(picture))
    made.thumbnail((_PREVIEW_PIXELS, _PREVIEW_PIXELS))
    target = io.BytesIO()
    made.save(target, format="PNG", optimize=True)
    return target.getvalue()


def picture_in(job: Job, file: InputFile) -> np.ndarray:
    """The picture that an input file is.

    Raises:
        BadRequestError: It is none, or cannot be read.
    """
    try:
        return read(job.fetch_file(file))
    except ValueError as error:
        raise BadRequestError(f"file {file.name}: {error}") from error


def picture_of(job: Job, dataset: InputDataset) -> np.ndarray:
    """The picture of an input dataset: its first picture file, the preview only without others.

    Raises:
        BadRequestError: It has none, or one that cannot be read.
    """
    names = sorted(dataset.files, key=lambda one: (one.name == PREVIEW, one.name))
    for file in names:
        if Path(file.name).suffix.lower() in PICTURES and file.name != LABELS:
            try:
                return read(job.fetch_file(file))
            except ValueError as error:
                raise BadRequestError(f"dataset {dataset.name}: {error}") from error
    raise BadRequestError(f"dataset {dataset.name} has no picture")
