"""A face that is drawn in code. The detector finds it as it finds those of photos, with a confidence of 0.9."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

SIDE = 400

FACE = 115, 80, 285, 345
"""The oval of the face: left, top, right, bottom. The detector's box begins below the hair, at the forehead."""

GRAY = (120, 140, 150)
HAIR, SKIN, SHADE, LIPS, EYES = (60, 40, 30), (224, 172, 140), (205, 155, 125), (170, 80, 80), (60, 45, 35)


def drawn_face(side: int = SIDE) -> Image.Image:
    """A square picture with a face in its middle, from the front."""
    image = Image.new("RGB", (SIDE, SIDE), GRAY)
    draw = ImageDraw.Draw(image)
    draw.ellipse((90, 40, 310, 330), HAIR)
    draw.rectangle((160, 320, 240, 400), SHADE)
    draw.ellipse(FACE, SKIN)
    for eye in (160, 240):
        draw.ellipse((eye - 25, 165, eye + 25, 185), HAIR)
        draw.ellipse((eye - 24, 176, eye + 24, 196), SKIN)
        draw.ellipse((eye - 20, 188, eye + 20, 212), "white")
        draw.ellipse((eye - 10, 188, eye + 10, 212), EYES)
    draw.polygon([(200, 200), (180, 258), (220, 258)], SHADE)
    draw.ellipse((182, 248, 196, 262), LIPS)
    draw.ellipse((204, 248, 218, 262), LIPS)
    draw.ellipse((160, 280, 240, 312), LIPS)
    draw.line((165, 296, 235, 296), HAIR, width=4)
    return image.filter(ImageFilter.GaussianBlur(3)).resize((side, side), Image.Resampling.BOX)


def picture_with_faces(size: tuple[int, int], *places: tuple[int, int, int]) -> Image.Image:
    """A plain picture with a drawn face at each left, top, side."""
    picture = Image.new("RGB", size, GRAY)
    for left, top, side in places:
        picture.paste(drawn_face(side), (left, top))
    return picture
