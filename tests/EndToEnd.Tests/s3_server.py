"""An S3 server on loopback that checks signatures: moto's, with keys that come and go.

Prints {"endpoint": …} when it listens, then takes one command a line and answers each with a line of JSON:
`create-key`, `create-key ID SECRET`, `delete-key ID`, `stop` (connections are refused from then on), `start`, `copy PREFIX FOLDER` (what is there
now, in a folder of its own, laid out as Litestream lays out a folder), `put NAME FILE`, `delete PREFIX`, `prefixes`, `requests` (those since the last time:
method, address and program of each).
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import flask
from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import S3IAMRequest
from moto.iam.models import iam_backends
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.s3.models import FakeKey, s3_backends
from moto.s3.responses import S3Response
from moto.sts.responses import TokenResponse

USER = "litestream"
BUCKET = "backup"
MAY_DO_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sts:AssumeRole"], "Resource": "*"}]}
ANYBODY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"}]}


check_signature = S3IAMRequest.check_signature
requests: list[dict[str, str]] = []


def check_signature_as_sent(request: S3IAMRequest) -> None:
    """Clients sign the encoded URL, and moto has only the decoded one."""
    request._path = flask.request.environ["REQUEST_URI"]
    requests.append({"method": flask.request.method, "address": request._path, "program": flask.request.headers.get("User-Agent", "")})
    check_signature(request)


authenticate = TokenResponse._authenticate_and_authorize_normal_action


def authenticate_if_signed(response: TokenResponse, resource: str = "*") -> None:
    """A role is taken on with a token in a request that is not signed, for which moto has no way."""
    if "Authorization" in response.headers:
        authenticate(response, resource)


put_object = S3Response.put_object
turn = threading.Lock()


def put_object_in_turn(response: S3Response) -> Any:
    """S3 keeps a condition against all others; moto looks first and writes then, in as many threads as there are requests."""
    is_conditional = "If-Match" in response.headers or "If-None-Match" in response.headers
    with turn if is_conditional else nullcontext():
        return put_object(response)


def main() -> None:
    S3Response.put_object = put_object_in_turn
    S3IAMRequest.check_signature = check_signature_as_sent
    TokenResponse._authenticate_and_authorize_normal_action = authenticate_if_signed
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", USER)
    iam.put_user_policy(USER, "all", json.dumps(MAY_DO_ALL))
    # A role of that name, too, which its key or a token of anybody can take on.
    role = iam.create_role(USER, json.dumps(ANYBODY), "/", None, "", [], 3600)
    iam.put_role_policy(role.name, "all", json.dumps(MAY_DO_ALL))
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(BUCKET, "us-east-1")
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0

    server = start(port=0)
    host, port = server.get_host_and_port()
    answer({"endpoint": f"http://{host}:{port}"})
    for line in sys.stdin:
        match line.split():
            case ["create-key"]:
                key = iam.create_access_key(USER)
                answer({"access-key-id": key.access_key_id, "secret-access-key": key.secret_access_key})
            case ["create-key", key_id, secret]:
                key = iam.create_access_key(USER)
                key.access_key_id, key.secret_access_key = key_id, secret
                iam.access_keys[key.physical_resource_id] = key
                answer({"access-key-id": key_id, "secret-access-key": secret})
            case ["delete-key", key_id]:
                iam.delete_access_key(key_id, USER)
                answer({})
            case ["stop"]:
                server.stop()
                answer({})
            case ["start"]:
                server = start(port)
                answer({})
            case ["copy", prefix, folder]:
                copied = None
                while copied is None:
                    copied = copy(prefix, Path(folder))
                answer({"folder": str(copied)})
            case ["put", name, file]:
                s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(BUCKET, name, Path(file).read_bytes())
                answer({})
            case ["prefixes"]:
                bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(BUCKET)
                answer({"prefixes": sorted({name.split("/")[0] for name in bucket.keys})})
            case ["requests"]:
                answer({"requests": requests.copy()})
                requests.clear()
            case ["delete", prefix]:
                for key in objects(prefix):
                    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].delete_object(BUCKET, key)
                answer({})


def start(port: int) -> ThreadedMotoServer:
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    return server


def objects(prefix: str) -> dict[str, FakeKey]:
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(BUCKET)
    return {name: key for name, key in list(bucket.keys.items()) if name.startswith(f"{prefix}/")}


def copy(prefix: str, folder: Path) -> Path | None:
    """Each object is written once, and linked to from then on; what has not changed is not copied again.

    None if an object was deleted or replaced meanwhile.
    """
    found = objects(prefix)
    listing = json.dumps({name: key.etag for name, key in found.items()}, sort_keys=True)
    contents = folder / "objects"
    contents.mkdir(parents=True, exist_ok=True)
    last, listed = folder / "last", folder / "listing"
    if listed.exists() and listed.read_text() == listing:
        return Path(last.read_text())
    target = folder / f"{len(list(folder.iterdir())):04}"
    target.mkdir()
    for name, key in found.items():
        content = contents / key.etag.strip('"')
        if not content.exists():
            try:
                content.write_bytes(key.value)
            except ValueError:
                # moto closes the content of an object that is gone.
                return None
        # PREFIX/0009/MIN-MAX.ltx is ltx/9/MIN-MAX.ltx in a folder.
        level, file = name.removeprefix(f"{prefix}/").split("/")
        link = target / "ltx" / str(int(level, 16)) / file
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(content, link)
    listed.write_text(listing)
    last.write_text(str(target))
    return target


def answer(content: Mapping[str, object]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
