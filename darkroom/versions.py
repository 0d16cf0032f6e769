"""Which versions run here: Darkroom, Python, the system, the packages, and the libraries that read photos' bytes.

The wheels of Pillow and pillow-heif bring decoders and encoders in C, which no package manager lists. An operator who
reads about a fault in one of them needs this list.
"""

from __future__ import annotations

import ctypes
import platform
import re
import ssl
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, PackagePath, distribution, version

import pillow_heif
from PIL import AvifImagePlugin, features

from darkroom import __version__

PACKAGES = (
    *("click", "requests", "urllib3"),
    *("apig-wsgi", "arabic-reshaper", "awslambdaric", "boto3", "cykooz-resizer", "flask", "flask-cors"),
    *("flask-openapi3", "gunicorn", "itsdangerous", "limits", "numpy", "pillow", "pillow-heif", "pydantic"),
    *("pyseccomp", "python-bidi", "standardwebhooks", "structlog", "uuid-utils", "zipstream-ng"),
)
"""The dependencies in pyproject.toml, then those of the extra `services`."""

EXTRAS = ("exiv2", "pillow-jxl-plugin", "cryptography")
"""The dependencies of the extras `metadata`, `jxl` and `cdn`, which the image contains. The second has libjxl within
its module."""

WHEELS_WITH_LIBRARIES = ("pillow", "pillow-heif", "exiv2")

AVIF_CODECS = ("aom", "dav1d", "rav1e", "svt", "libgav1")
"""libavif's names of the codecs that it may contain."""

LANDLOCK_CREATE_RULESET, LANDLOCK_CREATE_RULESET_VERSION = 444, 1
"""Source: the kernel's documentation, "Landlock: unprivileged access control". The number is the same on every
architecture."""

Versions = dict[str, str | None]


class _LibseccompVersion(ctypes.Structure):
    """Source: `struct scmp_version` in seccomp.h."""

    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


@dataclass(frozen=True)
class Installation:
    """The versions by group; None stands for what is missing.

    `libraries` have the numbers that they report of themselves. `files` are the shared libraries in the wheels, such as
    `libpng16.so`, with the number in the file's name. For some it is the number of the release, for others another one:
    `libpng16.so` 16.58.0 is libpng 1.6.58.
    """

    darkroom: str
    system: Versions
    packages: Versions
    libraries: Versions
    files: Versions


def installation() -> Installation:
    """What is installed in this environment, on this system. Imports Pillow and all its codecs."""
    files = _bundled_files()
    return Installation(
        darkroom=__version__,
        system=_system(),
        packages={name: _package(name) for name in (*PACKAGES, *EXTRAS)},
        libraries=_pillow_libraries(files) | _heif_libraries() | _exiv2_library(),
        files=files,
    )


def _system() -> Versions:
    return {
        "python": platform.python_version(),
        "distribution": _distribution(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "openssl": ssl.OPENSSL_VERSION,
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "landlock_abi": _landlock_abi(),
        "libseccomp": _libseccomp(),
    }


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return None


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pillow_libraries(files: Versions) -> Versions:
    """Every feature that this Pillow has, under Pillow's name, and the codecs in libavif.

    Pillow knows no number of xcb: it is that of the file.
    """
    found = {name: features.version(name) or files.get(f"lib{name}.so") for name in features.get_supported()}
    if features.check("avif"):
        codecs = {name: AvifImagePlugin.get_codec_version(name) for name in AVIF_CODECS}
        found |= {name: number for name, number in codecs.items() if number}
    return found


def _heif_libraries() -> Versions:
    """libheif and its codecs, which describe themselves by a name and a version in one text."""
    info = pillow_heif.libheif_info()
    numbers = {name: re.search(r"\d+\.[\w.+-]+", text) for name, text in (info["decoders"] | info["encoders"]).items()}
    return {"libheif": info["libheif"]} | {name: number[0] for name, number in numbers.items() if number}


def _exiv2_library() -> Versions:
    try:
        import exiv2
    except ImportError:  # the extra is not installed
        return {}
    return {"exiv2": exiv2.version()}


def _bundled_files() -> Versions:
    """The shared libraries in the wheels. auditwheel adds a part of the file's hash to the name."""
    files: Versions = {}
    for wheel in WHEELS_WITH_LIBRARIES:
        for file in _files(wheel):
            if file.parts[0].endswith(".libs") and (
                found := re.fullmatch(r"(lib.+?)-[0-9a-f]{8}(?:\.\d+)*\.so\.([\w.]+)", file.name)
            ):
                files[f"{found[1]}.so"] = found[2]
    return files


def _files(wheel: str) -> list[PackagePath]:
    try:
        return distribution(wheel).files or []
    except PackageNotFoundError:  # an extra
        return []


def _landlock_abi() -> str | None:
    if sys.platform != "linux":
        return None
    abi: int = ctypes.CDLL(None).syscall(
        ctypes.c_long(LANDLOCK_CREATE_RULESET), None, ctypes.c_long(0), ctypes.c_long(LANDLOCK_CREATE_RULESET_VERSION)
    )
    return str(abi) if abi > 0 else None


def _libseccomp() -> str | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_version.restype = ctypes.POINTER(_LibseccompVersion)
    found = library.seccomp_version().contents
    return f"{found.major}.{found.minor}.{found.micro}"
