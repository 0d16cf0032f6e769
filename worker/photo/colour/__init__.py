"""The colours of pixels. Read photo_colours.py first.

`icc_profiles.py` reads and makes profiles. `conversion.py` brings pixels into 8 bits and a profile, `deep_levels.py`
those of more than 8 bits and of HDR, with the curves of `tone_mapping.py`. `press.icc` is for CMYK without a profile.
"""
