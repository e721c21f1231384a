"""Believes the headers of `orthrus proxy serve --assertion-key FILE` (docs/unchanged-programs.md), and of nobody else."""
import base64, hashlib, hmac, time

def sender(key, method, target, headers, window=60):
    """key: bytes.fromhex of the file's text. target: path and query as they arrived. headers: by name in lower case."""
    version, stamp, mac = headers.get("x-orthrus-assertion", "..").split(".")
    identity = [headers.get("x-orthrus-" + name, "") for name in ("client", "claims", "via", "ticket-id")]
    text = "\n".join(["orthrus-assertion-1", stamp, method, target, *identity]).encode("latin-1")
    right = base64.urlsafe_b64encode(hmac.digest(key, text, hashlib.sha256)).decode().rstrip("=")
    if version != "v1" or not hmac.compare_digest(mac, right): raise PermissionError("no assertion of the proxy")
    if abs(time.time() - int(stamp)) > window: raise PermissionError("an old assertion, or a wrong clock")
    return identity[0]
