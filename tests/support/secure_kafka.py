"""A broker with TLS and passwords."""
import certificates
from servers import Kafka, free_port

# Of the users alice (PLAIN), bob (SCRAM) and of the client's encrypted key. Told to nobody.
PASSWORD = "s3cret-p4ssw0rd"


class SecureKafka(Kafka):
    """Has, beside `brokers`, which asks for nothing:

    sasl_ssl   TLS, and a user: alice by PLAIN, bob by SCRAM, any by an unsigned token (OAUTHBEARER)
    ssl        TLS, and a certificate of the client
    elsewhere  TLS, with a certificate that is of another host
    """

    password = PASSWORD  # alice's, from the next start() on

    def start(self):
        (self.home / "server.properties").write_text("\n".join([*self.properties(), ""]))
        super().start()

    def prepare(self):
        self.sasl_ssl, self.ssl, self.elsewhere = (f"localhost:{free_port()}" for _ in range(3))
        authority = certificates.Authority(self.home, "millrace-test-authority")
        self.authority = authority.certificate
        self.other_authority = certificates.Authority(self.home, "other-authority").certificate
        self.server = authority.sign("server", ["DNS:localhost", "IP:127.0.0.1"])
        self.moved = authority.sign("moved", ["DNS:broker.example.com"])
        self.client = authority.sign("client", usage="clientAuth")
        self.locked_client = authority.sign("locked-client", usage="clientAuth", password=PASSWORD)

    def users(self):
        return [argument for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                for argument in ("--add-scram", f"{mechanism}=[name=bob,password={PASSWORD}]")]

    def listeners(self):
        return super().listeners() + [("SASL_SSL", "SASL_SSL", self.sasl_ssl), ("SSL", "SSL", self.ssl),
                                      ("ELSEWHERE", "SSL", self.elsewhere)]

    def properties(self):
        def store(prefix, pair):
            path = self.home / f"{pair[0].stem}.pem"
            path.write_text(pair[1].read_text() + pair[0].read_text())
            return [f"{prefix}ssl.keystore.type=PEM", f"{prefix}ssl.keystore.location={path}"]

        modules = {
            "plain": f'plain.PlainLoginModule required user_alice="{self.password}"',
            "scram-sha-256": "scram.ScramLoginModule required", "scram-sha-512": "scram.ScramLoginModule required",
            "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"'}
        return super().properties() + store("", self.server) + store("listener.name.elsewhere.", self.moved) + [
            "ssl.truststore.type=PEM", f"ssl.truststore.location={self.authority}",
            "listener.name.ssl.ssl.client.auth=required",
            f"sasl.enabled.mechanisms={','.join(modules).upper()}",
            *(f"listener.name.sasl_ssl.{name}.sasl.jaas.config=org.apache.kafka.common.security.{module};"
              for name, module in modules.items())]
