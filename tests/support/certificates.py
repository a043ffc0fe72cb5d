"""Certificates for tests: authorities of our own, and what they sign. By openssl on the command line."""
import pathlib

from servers import run_to_end


class Authority:
    """Who signs. `certificate` is what others trust it by."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.certificate, self.key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        run_to_end(f"making the authority {name}", "openssl", "req", "-x509", *_new_key(self.key), "-days", "2",
                   "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                   "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.certificate)

    def sign(self, name, hosts=(), usage="serverAuth", password=None):
        """A certificate and its key, as two files. `hosts`: as in `DNS:localhost`, for a server.
        `password`: what the key is encrypted with."""
        certificate, key, request = (self.folder / f"{name}.{what}" for what in ("crt", "key", "csr"))
        run_to_end(f"making a key of {name}", "openssl", "req", "-new", *_new_key(key, password), "-subj", f"/CN={name}",
                   "-out", request)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                              f"extendedKeyUsage={usage}\n"
                              + (f"subjectAltName={','.join(hosts)}\n" if hosts else ""))
        run_to_end(f"signing {name}", "openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                   "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate)
        return certificate, key


def _new_key(path, password=None):
    locked = ["-nodes"] if password is None else ["-passout", f"pass:{password}"]
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256", *locked, "-keyout", path]
