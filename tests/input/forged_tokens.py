"""Part `tokens`: access tokens that we never gave out, made by PyJWT and by hand. Promise P12.

A well-made token with a session or an account that never was is not among them: it takes the key to make one, and
whoever has the key needs no invention. The server asks no database whether a session exists, only whether it has ended.
"""

import base64
import hashlib
import hmac
import json
import time
import uuid
import warnings

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from report import Findings
from server import SECRET_KEY, Client, Server, problem_fault, sign_in

# Reads, a write, and an answer with rights of its own: the door is the same before all of them.
DOORS = (("GET", "/me"), ("GET", "/events"), ("POST", "/check-ins"))


def derived(secret, purpose):
    """src/platform/keys.rs: HMAC of the purpose under the secret."""
    return hmac.new(secret.encode(), purpose, hashlib.sha256).digest()


def signing_key(secret):
    return hmac.new(derived(secret, b"access token"), b"", hashlib.sha256).digest()


def key_id(secret):
    return hmac.new(derived(secret, b"key id"), b"", hashlib.sha256).digest()[:4].hex()


def url64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def by_hand(header, claims, key, digest=hashlib.sha256):
    """header and claims as text: PyJWT would set right what we want wrong."""
    message = f"{url64(header)}.{url64(claims)}"
    return f"{message}.{url64(hmac.new(key, message.encode(), digest).digest())}"


class Forger:
    """Starts from what a true token says, and changes one thing."""

    def __init__(self, true_token):
        self.by_library = 0
        self.true = true_token
        self.key, self.kid = signing_key(SECRET_KEY), key_id(SECRET_KEY)
        self.header = {"typ": "at+jwt", "alg": "HS256", "kid": self.kid}
        now = int(time.time())
        told = jwt.decode(true_token, options={"verify_signature": False})
        self.claims = {**told, "iat": now, "nbf": now, "exp": now + 900}

    def made(self, header=None, claims=None, key=None, algorithm="HS256"):
        """By PyJWT; None takes a header or a claim away."""
        merged = {name: value for name, value in {**self.header, **(header or {})}.items() if value is not None}
        told = {name: value for name, value in {**self.claims, **(claims or {})}.items() if value is not None}
        self.by_library += 1
        return jwt.encode(told, self.key if key is None else key, algorithm=algorithm, headers=merged)

    def signed(self, claims):
        """Bytes, whatever they say, with a good header: signed by PyJWT, which looks at what it signs only in `encode` of tokens."""
        self.by_library += 1
        return jwt.PyJWS().encode(claims, self.key, algorithm="HS256", headers=self.header)

    def handmade(self, header=None, claims=None, key=None, digest=hashlib.sha256):
        is_good = header is None and key is None
        header = json.dumps({**self.header, **(header or {})}) if not isinstance(header, str) else header
        claims = json.dumps({**self.claims, **(claims or {})}) if not isinstance(claims, str) else claims
        if is_good:
            return self.signed(claims.encode())
        return by_hand(header, claims, self.key if key is None else key, digest)


def good(forger):
    """Controls: these must be let in, or the refusals below would show nothing."""
    now = int(time.time())
    return {
        "the server's own": forger.true,
        "PyJWT with the derived key": forger.made(),
        "by hand with the derived key": by_hand(json.dumps(forger.header), json.dumps(forger.claims), forger.key),
        "expired less than the leeway ago": forger.made(claims={"exp": now - 2}),
        "issued less than the leeway ahead": forger.made(claims={"iat": now + 3, "nbf": now + 3}),
    }


def forged(forger):
    return {**algorithms(forger), **headers(forger), **claims(forger), **times(forger), **keys(forger), **shapes(forger)}


def algorithms(forger):
    none_header, claims = json.dumps({**forger.header, "alg": "none"}), json.dumps(forger.claims)
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    public = rsa_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    variants = {
        "none, without signature": f"{url64(none_header)}.{url64(claims)}.",
        "none, with the true signature": f"{url64(none_header)}.{url64(claims)}.{forger.made().rsplit('.', 1)[1]}",
        "none by PyJWT": jwt.encode(forger.claims, None, algorithm="none", headers={"typ": "at+jwt", "kid": forger.kid}),
        "HS384": forger.made({"alg": "HS384"}, algorithm="HS384"),
        "HS512": forger.made({"alg": "HS512"}, algorithm="HS512"),
        "RS256": forger.made({"alg": "RS256"}, key=rsa_key, algorithm="RS256"),
        "PS256": forger.made({"alg": "PS256"}, key=rsa_key, algorithm="PS256"),
        "ES256": forger.made({"alg": "ES256"}, key=curve, algorithm="ES256"),
        "EdDSA": forger.made({"alg": "EdDSA"}, key=edwards, algorithm="EdDSA"),
        "a public key as the HMAC key": forger.handmade(key=public),
    }
    for spelled in ("None", "NONE", "nOnE", "hs256", "HS256 ", "", "RS256", "HS384", "ES256"):
        variants[f"alg {spelled!r} over an HS256 signature"] = forger.handmade({"alg": spelled})
    for odd in (None, 256, ["HS256"], {"HS256": 1}):
        variants[f"alg {odd!r}"] = forger.handmade({"alg": odd})
    return variants


def headers(forger):
    changes = [{"typ": typ} for typ in ("JWT", "jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "id+jwt", "", None, 1)]
    changes += [{"kid": kid} for kid in ("", "0", "../../dev/null", "' OR 1=1 --", forger.kid.upper(), forger.kid + "\0", None, [forger.kid])]
    changes += [
        {"crit": ["exp"], "exp": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"zip": "DEF"}, {"cty": "JWT"},
        {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}, {"x5c": ["MII="]},
        {"jwk": {"kty": "oct", "k": url64(b"mine" * 8)}}, {"unknown": 1},
    ]
    variants = {f"header {json.dumps(change)}": forger.handmade(change) for change in changes}
    for name in ("typ", "kid", "alg"):
        without = json.dumps({key: value for key, value in forger.header.items() if key != name})
        variants[f"header without {name}"] = forger.handmade(without)
    own = url64(b"mine" * 8)
    variants["an own jwk, and signed with it"] = forger.handmade({"jwk": {"kty": "oct", "k": own}}, key=b"mine" * 8)
    twice = f'{{"alg":"none","alg":"HS256","typ":"at+jwt","kid":"{forger.kid}"}}'
    variants["alg twice"] = forger.handmade(twice)
    return variants


def claims(forger):
    variants = {f"without {name}": forger.made(claims={name: None}) for name in ("iss", "aud", "sub", "sid", "iat", "nbf", "exp")}
    nobody = str(uuid.uuid4())
    changes = [
        {"iss": "other"}, {"iss": "zhibu "}, {"iss": "ZHIBU"}, {"iss": ""}, {"aud": "other"}, {"aud": ["zhibu-api"]},
        {"aud": ["zhibu-api", "other"]}, {"aud": ""}, {"sub": "x"}, {"sub": ""}, {"sub": 1},
        {"sid": "x"}, {"sid": ""}, {"sid": 1}, {"role": "admin"}, {"scope": "*"},
        {"jti": nobody}, {"tenant": "x"}, {"adm": "true"}, {"adm": 1}, {"sub": forger.claims["sub"] + "\0"},
    ]
    variants |= {f"claims {json.dumps(change)}": forger.handmade(claims=change) for change in changes}
    text = json.dumps(forger.claims)
    variants["sub twice"] = forger.handmade(claims=f'{text[:-1]},"sub":"{forger.claims["sub"]}"}}')
    variants["claims in a list"] = forger.handmade(claims=f"[{text}]")
    variants["claims nested 500 deep"] = forger.handmade(claims="[" * 500 + "]" * 500)
    variants["no claims"] = forger.handmade(claims="{}")
    variants["claims are no JSON"] = forger.handmade(claims="sub")
    variants["claims with a byte that is no UTF-8"] = forger.signed(text.encode() + b"\xff")
    return variants


def times(forger):
    now = int(time.time())
    changes = [
        {"exp": now - 10}, {"exp": now - 86_400}, {"exp": 0}, {"exp": -1}, {"exp": -(2**63)}, {"exp": 2**64}, {"exp": 1e300},
        {"exp": str(now + 900)}, {"exp": now + 900.5}, {"exp": True}, {"exp": [now + 900]}, {"nbf": now + 60},
        {"nbf": 2**63 - 1}, {"nbf": "0"}, {"iat": now + 60}, {"iat": 2**63 - 1}, {"iat": -(2**64)},
    ]
    return {f"claims {json.dumps(change)}": forger.handmade(claims=change) for change in changes}


def keys(forger):
    others = {
        "another key": b"another key of thirty-two bytes!", "the empty key": b"", "the secret itself": SECRET_KEY.encode(),
        "the secret's bytes": bytes.fromhex(SECRET_KEY), "the half-derived key": derived(SECRET_KEY, b"access token"),
        "the key of refresh tokens": hmac.new(derived(SECRET_KEY, b"refresh token"), b"", hashlib.sha256).digest(),
        "the key of check-in codes": hmac.new(derived(SECRET_KEY, b"check-in code"), b"", hashlib.sha256).digest(),
        "the key in hex": signing_key(SECRET_KEY).hex().encode(), "a guess": b"secret", "zeros": bytes(32),
    }
    return {f"signed with {name}": forger.handmade(key=key) for name, key in others.items()}


def shapes(forger):
    true = forger.made()
    header, body, signature = true.split(".")
    other_body = forger.made(claims={"sub": str(uuid.uuid4())}).split(".")[1]
    last = "A" if signature[-1] != "A" else "E"
    return {
        "empty": "", "dots": "..", "four parts": f"{true}.{signature}", "two parts": f"{header}.{body}", "no signature": f"{header}.{body}.",
        "one bit of the signature": f"{header}.{body}.{signature[:-1]}{last}", "half a signature": f"{header}.{body}.{signature[:20]}",
        "the first bit flipped": f"{header}.{body}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}",
        "a longer signature": f"{header}.{body}.{signature}AAAA", "padded": f"{header}.{body}.{signature}=",
        "another body under a true signature": f"{header}.{other_body}.{signature}",
        "parts swapped": f"{body}.{header}.{signature}", "standard base64": f"{header}.{body}.{signature[:-2]}+/",
        "a true token and more": f"{true}x", "a line end inside": f"{header}.{body}%0a.{signature}", "two tokens": f"{true},{true}",
        "encrypted (JWE)": f"{url64(json.dumps({'alg': 'dir', 'enc': 'A256GCM'}))}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
        "as long as headers may be": true + "A" * 12_000, "3,000 dots": "." * 3_000,
        "JSON serialization": json.dumps({"protected": header, "payload": body, "signature": signature}).replace(" ", ""),
    }


def carriers(true_token):
    """A true token, carried as it must not be."""
    return {
        "Basic": {"Authorization": f"Basic {true_token}"}, "no scheme": {"Authorization": true_token},
        "Device": {"Authorization": f"Device {true_token}"}, "Token": {"Authorization": f"Token {true_token}"},
        "a cookie": {"Cookie": f"access_token={true_token}; Authorization=Bearer {true_token}"},
        "X-Authorization": {"X-Authorization": f"Bearer {true_token}"}, "no header": {},
    }


def run(options):
    # PyJWT warns of keys as weak as some of these are meant to be.
    warnings.filterwarnings("ignore", category=jwt.warnings.InsecureKeyLengthWarning)
    findings = Findings("tokens")
    with Server(options) as server:
        forger = Forger(sign_in(server, "demo-admin").token)
        for name, token in good(forger).items():
            reply = Client(server, token).get("/me")
            findings.requests += 1
            findings.expect(f"control: {name}", reply.status_code == 200, f"GET /me answered {reply.status_code}: {reply.text[:200]}")
        forger.by_library = 0
        variants = forged(forger)
        made = f"{len(variants)} forged tokens, {forger.by_library} of them by PyJWT,"
        for name, token in variants.items():
            for method, path in DOORS:
                refuse(findings, server, name, method, path, {"Authorization": f"Bearer {token}"})
        for name, carried in carriers(forger.true).items():
            refuse(findings, server, f"a true token by {name}", "GET", "/me", carried)
        findings.extend(("panic", line) for line in server.panics())
    findings.note(f"{made} and {len(carriers(''))} wrong carriers at {len(DOORS)} operations, {len(good(forger))} controls let in")
    return findings


def refuse(findings, server, name, method, path, carried):
    findings.requests += 1
    reply = Client(server).send(method, path, headers=carried, json={} if method == "POST" else None)
    code = reply.json().get("code") if "json" in reply.headers.get("content-type", "") else None
    told = f"{method} {path} answered {reply.status_code} {code}, not 401 unauthorized"
    findings.expect(name, reply.status_code == 401 and code == "unauthorized" and not problem_fault(reply), told)
