#!/usr/bin/env python3
"""Where keys for S3 come from: environment, files, a web identity token, the container's endpoint, the machine's."""
import datetime
import hashlib
import hmac
import http.server
import json
import pathlib
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import s3  # noqa: E402
from files_test import Lab, ids  # noqa: E402


class Issuer(http.server.ThreadingHTTPServer):
    """STS, a container's endpoint and a machine's metadata service in one."""

    def __init__(self, valid_s):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.valid_s, self.asked = valid_s, []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def expiration(self):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.valid_s)
        return end.strftime("%Y-%m-%dT%H:%M:%SZ")


class Answers(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def key(self):
        self.answer(json.dumps({"AccessKeyId": s3.S3.KEY, "SecretAccessKey": s3.S3.SECRET, "Code": "Success",
                                "Expiration": self.server.expiration()}))

    def do_PUT(self):
        self.server.asked.append(self.path)
        good = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer("imds-token" if good else "", 200 if good else 403)

    def do_GET(self):
        self.server.asked.append(self.path)
        roles = "/latest/meta-data/iam/security-credentials/"
        if self.path.startswith(roles) and self.headers["X-aws-ec2-metadata-token"] == "imds-token":
            self.answer("etl-role\n") if self.path == roles else self.key()
        elif self.path.startswith("/federation/credentials?") and self.headers["x-amz-sso_bearer_token"] == "a-login":
            wanted = urllib.parse.parse_qs(self.path.partition("?")[2])
            assert wanted == {"account_id": ["123"], "role_name": ["Analyst"]}, wanted
            self.answer(json.dumps({"roleCredentials": {"accessKeyId": s3.S3.KEY, "secretAccessKey": s3.S3.SECRET, "sessionToken": "",
                                                        "expiration": int((time.time() + self.server.valid_s) * 1000)}}))
        elif self.path == "/container" and self.headers["Authorization"] == "container-token":
            self.key()
        else:
            self.answer("", 401)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = urllib.parse.parse_qs(body)
        action = form["Action"][0]
        self.server.asked.append(action)
        who = {"AssumeRoleWithWebIdentity": lambda: form["WebIdentityToken"] == ["a.web.token"],
               "AssumeRole": lambda: self.is_signed(body) and form.get("ExternalId", ["us"]) == ["us"]}
        good = who[action]() and form["RoleArn"] == ["arn:aws:iam::1:role/etl"]
        self.answer(f"<{action}Response><{action}Result><Credentials>"
                    f"<AccessKeyId>{s3.S3.KEY}</AccessKeyId><SecretAccessKey>{s3.S3.SECRET}</SecretAccessKey>"
                    f"<Expiration>{self.server.expiration()}</Expiration></Credentials>"
                    f"</{action}Result></{action}Response>"
                    if good else "<ErrorResponse><Error><Code>AccessDenied</Code>"
                    "<Message>not for you</Message></Error></ErrorResponse>", 200 if good else 403)

    def is_signed(self, body):
        """By the key `asker`, as AWS's Signature Version 4 has it for STS."""
        date, region = self.headers["X-Amz-Date"], "us-east-1"
        names = "content-type;host;x-amz-date"
        canonical = "".join(f"{name}:{self.headers[name]}\n" for name in names.split(";"))
        request = f"POST\n/\n\n{canonical}\n{names}\n{hashlib.sha256(body.encode()).hexdigest()}"
        scope = f"{date[:8]}/{region}/sts/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = b"AWS4its-secret"
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return self.headers["Authorization"] == (f"AWS4-HMAC-SHA256 Credential=asker/{scope}, SignedHeaders={names}, Signature={signature}")


class Keys(Lab):
    def works(self, env, options="", want=300):
        home = self.home()
        none = {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_S3": self.server.endpoint}
        self.pipeline(home, f"{{ from: orders, to: {{ type: files, path: s3://{self.bucket}/out{options} }}, "
                            "format: parquet }")
        env = {name: value.replace("HOME", str(home)) if name != "HOME" else value
               for name, value in {**none, **env}.items()}
        for name, text in self.files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text.replace("HOME", str(home)))
        done = self.run(home, check=False, env=env)
        if want:
            assert done.returncode == 0, done.stderr[-2000:]
            assert ids(self.parquet()) == list(range(want))
        return done

    files = {}


def environment(lab):
    lab.works({"AWS_ACCESS_KEY_ID": s3.S3.KEY, "AWS_SECRET_ACCESS_KEY": s3.S3.SECRET})


def files(lab):
    key = f"aws_access_key_id = {s3.S3.KEY}\naws_secret_access_key = {s3.S3.SECRET}\n"
    lab.files = {".aws/credentials": f"[default]\naws_access_key_id=x\naws_secret_access_key=y\n[etl]\n{key}"}
    lab.works({"AWS_PROFILE": "etl"})
    lab.works({}, ", profile: etl")
    done = lab.works({}, want=0)
    assert "asked with the key x of the profile `default`" in done.stderr, done.stderr
    lab.files = {"key": f"[mine]\n{key}"}
    lab.works({"AWS_SHARED_CREDENTIALS_FILE": "HOME/key", "AWS_PROFILE": "mine"})
    lab.files = {}


def web_identity(lab):
    with Issuer(3600) as issuer:
        lab.files = {"token": "a.web.token\n"}
        env = {"AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/etl",
               "AWS_ENDPOINT_URL_STS": issuer.url}
        lab.works(env)
        assert issuer.asked == ["AssumeRoleWithWebIdentity"], issuer.asked
        lab.files = {"token": "another"}
        done = lab.works(env, want=0)
        assert done.returncode != 0 and "not for you" in done.stderr, done.stderr
        assert "another" not in done.stderr, "the token was printed"
        lab.files = {}


ASKER = "[asker]\naws_access_key_id = asker\naws_secret_access_key = its-secret\n"


def roles(lab):
    """A profile whose role is asked for by another profile, by what the environment has, or by a token."""
    role = "role_arn = arn:aws:iam::1:role/etl\n"
    with Issuer(3600) as issuer:
        env = {"AWS_PROFILE": "etl", "AWS_ENDPOINT_URL_STS": issuer.url, "AWS_REGION": "us-east-1"}
        lab.files = {".aws/credentials": ASKER, ".aws/config": f"[profile etl]\n{role}source_profile = asker\nexternal_id = us\n"}
        lab.works(env)
        lab.files[".aws/config"] = f"[profile etl]\n{role}credential_source = Environment\n"
        lab.works({**env, "AWS_ACCESS_KEY_ID": "asker", "AWS_SECRET_ACCESS_KEY": "its-secret"}, ", profile: etl")
        lab.files = {"token": "a.web.token", ".aws/config": f"[profile etl]\n{role}web_identity_token_file = HOME/token\n"}
        lab.works(env)
        assert issuer.asked == ["AssumeRole", "AssumeRole", "AssumeRoleWithWebIdentity"], issuer.asked
        for config, why in ((f"[profile etl]\n{role}source_profile = asker\nexternal_id = them\n", "not for you"),
                            (f"[profile etl]\n{role}source_profile = b\n[profile b]\n{role}source_profile = etl\n", "each other's source_profile"),
                            (f"[profile etl]\n{role}source_profile = gone\n", "gone has no key"),
                            (f"[profile etl]\n{role}\n", "name a source_profile"),
                            (f"[profile etl]\n{role}source_profile = asker\nmfa_serial = arn:aws:iam::1:mfa/me\n", "export-credentials")):
            lab.files = {".aws/credentials": ASKER, ".aws/config": config}
            done = lab.works(env, want=0)
            assert done.returncode != 0 and why in done.stderr and "its-secret" not in done.stderr, (why, done.stderr)
    lab.files = {}


def sso(lab):
    """The login of `aws sso login`, by a session or, as it was before, by the profile itself."""
    def login(called, hours, token="a-login"):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        name = hashlib.sha1(called.encode()).hexdigest()
        return {f".aws/sso/cache/{name}.json": json.dumps({"accessToken": token, "expiresAt": end.strftime("%Y-%m-%dT%H:%M:%SZ")})}

    who = "sso_account_id = 123\nsso_role_name = Analyst\n"
    page = "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\n"
    by_session = f"[profile etl]\nsso_session = mine\n{who}[sso-session mine]\n{page}"
    with Issuer(3600) as issuer:
        env = {"AWS_PROFILE": "etl", "AWS_ENDPOINT_URL_SSO": issuer.url}
        for config, called in ((by_session, "mine"), (f"[profile etl]\n{page}{who}", "https://example.awsapps.com/start")):
            lab.files = {".aws/config": config, **login(called, 1)}
            lab.works(env)
        for files, why in ((login("mine", -1), "has expired; log in: `aws sso login --profile etl`"), ({}, "nobody is logged in"),
                           (login("mine", 1, "another-login"), "HTTP 401")):
            lab.files = {".aws/config": by_session, **files}
            done = lab.works(env, want=0)
            assert done.returncode != 0 and why in done.stderr and "another-login" not in done.stderr, (why, done.stderr)
    lab.files = {}


def a_process(lab):
    key = json.dumps({"Version": 1, "AccessKeyId": s3.S3.KEY, "SecretAccessKey": s3.S3.SECRET})
    lab.files = {"key.json": key, ".aws/config": "[default]\ncredential_process = cat 'HOME/key.json'\n"}
    lab.works({})
    lab.files = {}


def container(lab):
    with Issuer(3600) as issuer:
        lab.works({"AWS_CONTAINER_CREDENTIALS_FULL_URI": issuer.url + "/container",
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-token"})
        assert issuer.asked == ["/container"], issuer.asked


def machine(lab):
    with Issuer(3600) as issuer:
        lab.works({"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": issuer.url})
        assert len(issuer.asked) == 3, issuer.asked


def renewed(lab):
    """A key that expires soon is asked for again."""
    with Issuer(120) as issuer:
        lab.works({"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": issuer.url})
        assert len(issuer.asked) > 6, issuer.asked


def nobody(lab):
    done = lab.works({}, want=0)
    assert done.returncode != 0 and "no key for S3" in done.stderr, done.stderr


CASES = [environment, files, web_identity, roles, sso, a_process, container, machine, renewed, nobody]


def main():
    s3.clients()
    report = m.Report("s3 credentials")
    with tempfile.TemporaryDirectory(prefix="millrace-s3-keys-") as folder, s3.S3() as server:
        lab = Keys(server, folder)
        for case in CASES:
            report.case(case.__name__.replace("_", " "), lambda: case(lab))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
