"""Access tokens for thousands, made from the servers' secret as the server makes them (src/platform/keys.rs): to sign in takes a
password's worth of work each, and is not what is looked at."""

import base64
import hashlib
import hmac
import json
import time
import uuid


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def derived(secret, purpose):
    return mac(mac(secret.encode(), purpose), b"")


def part(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def access_tokens(secret, tenant, members, lifetime_s=3600):
    """One for each, in order."""
    key = derived(secret, b"access token")
    head = part({"typ": "at+jwt", "alg": "HS256", "kid": derived(secret, b"key id")[:4].hex()})
    now = int(time.time())
    told = {"iss": "zhibu", "aud": "zhibu-api", "iat": now, "nbf": now, "exp": now + lifetime_s, "tenant": tenant}
    for member in members:
        text = f"{head}.{part({**told, 'sub': member, 'sid': str(uuid.uuid4())})}"
        yield f"{text}.{part(mac(key, text.encode()))}"
