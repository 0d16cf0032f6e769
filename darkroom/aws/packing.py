"""How the JSON of a record is packed into its item: compressed, with a dictionary of what records have in common.

DynamoDB bills each KB of a write. As a map of its own types, the record of a photo with four jobs has three times as
many bytes as compressed JSON. The dictionary makes that a third smaller again, because names of fields are in it.
"""

from __future__ import annotations

import zlib

_WORDS = (
    '"format":"gif","format":"tiff","format":"heic","format":"avif","format":"png","format":"webp","format":"jpeg",'
    '"accept":["quality":"auto","max_bytes":"similarity":"chroma":"lossless":true,"effort":"caption":"copyright":"credit":'
    '"metadata":"all","metadata":"none",'
    '"reference":"batch":"callback":{"url":"https://","deliveries":{"deleted_at":"expires_at":"late_writes":'
    '"upload":{"until":"dead_letter":{"code":"detail":"errors":[{"attempt":1,"code":"unreadable_photo","detail":"at":"'
    '"status":"failed","status":"queued","status":"processing","redrives":[{"send_count":"uncounted_claims":"storing_until":'
    '"claim_count":1,"generation":2,"type":"pipeline","steps":[{"type":"filter","filter":"grayscale","luma":"rec709",'
    '"type":"crop","type":"convert","type":"watermark","type":"text","name":"cover","name":"thumbnail","name":"small",'
    '"name":"large","name":"metadata","type":"metadata","colours":0,"measures":[],"in_events":false},'
    '"result":{"content":"{\\"format\\":\\"jpeg\\",\\"content_type\\":\\"image/jpeg\\",\\"width\\":\\"height\\":'
    '\\"orientation\\":1,\\"mode\\":\\"RGB\\",\\"camera\\":{\\"make\\":\\"model\\":\\"lens\\":\\"exposure\\":{\\"taken_at\\":'
    '{\\"gps\\":{\\"latitude\\":\\"longitude\\":\\"altitude\\":\\"dominant_colours\\":[]}\\n","filename":"-metadata.json",'
    '"content_type":"application/json","size":"making":{"plan":["metadata 4000x3000"],"backends":{"metadata":"exiv2 "}'
    '{"id":"01a2","owner":"default","created_at":"2026-11-30T12:00:00.000000Z","original":{"key":"originals/","filename":'
    '"IMG_.jpg","content_type":"image/jpeg","size":"sha256":"","width":4032,"height":3024},"fence_counter":1,"orders":{"":'
    '{"id":"","jobs":{"":{"id":"","spec":{"type":"resize","output":{"lossless":false,"dither":true,"progressive":false,'
    '"background":"#ffffff","profile":"srgb","keep_hdr":false,"metadata":"rights","gps":false},"frames":"first",'
    '"width":200,"height":200,"dpr":1.0,"fit":"cover","position":"centre","without_enlargement":true,'
    '"without_enlargement":false,"background":"#000000","kernel":"lanczos3"},"status":"succeeded","attempts":1,"result":'
    '{"key":"results/","filename":"-thumbnail.jpg","content_type":"image/jpeg","size":"sha256":"","width":1600,'
    '"height":1200,"seconds":{"decode":0.0,"resize":0.0,"encode":0.0,"metadata":0.0,"store":0.0},"versions":{"darkroom":'
    '"0.1.0","pillow":"13.0.0","cykooz-resizer":"4.0.1"},"warnings":[{"code":"detail":"making":{"plan":'
    '["decode at 1/2 2016x1512","resize (lanczos3) 800x600","turn (orientation 6) 1200x1600","convert to sRGB 1200x16",'
    '"encode jpeg 1200x1600"],"backends":{"decode":"libjpeg-turbo 3.1.2","resize":"cykooz-resizer 4.0.1",'
    '"colours":"littlecms2 2.17","encode":"libjpeg-turbo 3.1.2"},"fields":["pixels":""},"company":["01a2","01a2"]},'
    '"queued_at":"2026-11-30T12:00:00.000000Z","ended_at":"2026-11-30T12:00:00.000000Z"}},"fence":1,"message_id":"",'
    '"claim_count":1,"due_at":"2026-11-30T12:00:00.000000Z","trace":""}}}'
)

DICTIONARY = _WORDS.encode()
"""Parts of records as JSON, those that come most often last (RFC 1950, 2.2). A packed record names the checksum of its
dictionary and cannot be read with another one. So a release that changes this one has to read records with both."""


def pack(record: bytes) -> bytes:
    """A record's JSON as its item holds it, in the format of zlib with a dictionary (RFC 1950)."""
    compressor = zlib.compressobj(zdict=DICTIONARY)
    return compressor.compress(record) + compressor.flush()


def unpack(record: bytes) -> bytes:
    """The JSON of a packed record. Raises zlib.error for other bytes, and for those of another dictionary."""
    decompressor = zlib.decompressobj(zdict=DICTIONARY)
    unpacked = decompressor.decompress(record) + decompressor.flush()
    if not decompressor.eof:
        raise zlib.error("the packed record is cut short")
    return unpacked
