"""An S3 server on loopback that checks signatures: moto's, with keys that come and go.

Prints {"endpoint": …} when it listens, then takes one command a line and answers each with a line of JSON:
`create-key`, `delete-key ID`, `stop` (connections are refused from then on), `start`.
"""

from __future__ import annotations

import json
import sys

import flask
from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import S3IAMRequest
from moto.iam.models import iam_backends
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.s3.models import s3_backends

USER = "litestream"
BUCKET = "backup"
MAY_DO_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


check_signature = S3IAMRequest.check_signature


def check_signature_as_sent(request: S3IAMRequest) -> None:
    """Clients sign the encoded URL, and moto has only the decoded one."""
    request._path = flask.request.environ["REQUEST_URI"]
    check_signature(request)


def main() -> None:
    S3IAMRequest.check_signature = check_signature_as_sent
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", USER)
    iam.put_user_policy(USER, "all", json.dumps(MAY_DO_ALL))
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
            case ["delete-key", key_id]:
                iam.delete_access_key(key_id, USER)
                answer({})
            case ["stop"]:
                server.stop()
                answer({})
            case ["start"]:
                server = start(port)
                answer({})


def start(port: int) -> ThreadedMotoServer:
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    return server


def answer(content: dict[str, str]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
