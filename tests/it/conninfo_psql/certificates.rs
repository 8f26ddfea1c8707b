//! Server certificates that are out of date, name hosts in old ways, or are their own authority.

use super::*;

#[test]
fn odd_server_certificates() {
    let authority = Authority::new("kmig test authority");
    let mut expired = named("localhost", &["localhost"]);
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let own = |params: &CertificateParams| {
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let mut own_expired = expired.clone();
    own_expired.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut own_valid = named("localhost", &[]);
    own_valid.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (own_valid, own_expired) = (own(&own_valid), own(&own_expired));
    for (certificate, root, expected) in [
        // Expired, signed by the authority.
        (
            authority.sign(&expired),
            authority.pem.clone(),
            ['f', '-', '-', '-'],
        ),
        // The name only as common name.
        (
            authority.sign(&named("localhost", &[])),
            authority.pem.clone(),
            ['t', 't', 't', 't'],
        ),
        // A common name that counts no more, as there is an alternative name.
        (
            authority.sign(&named("localhost", &["other.example"])),
            authority.pem.clone(),
            ['t', 't', 't', '-'],
        ),
        // An address is no name.
        (
            authority.sign(&named("x", &["127.0.0.1"])),
            authority.pem.clone(),
            ['t', 't', 't', '-'],
        ),
        // Its own authority.
        (own_valid.clone(), own_valid.0.clone(), ['t', 't', 't', 't']),
        (
            own_expired.clone(),
            own_expired.0.clone(),
            ['f', '-', '-', '-'],
        ),
    ] {
        let server = tls_server(&certificate, &root, "host all all all trust\n");
        let me = Person::new();
        let path = me.file("root", root, 0o644);
        for (mode, expected) in MODES.iter().skip(2).zip(expected) {
            let text = format!(
                "host=localhost port={} user=postgres sslmode={mode} sslrootcert={}",
                server.port,
                path.display()
            );
            me.expect(&text, expected);
        }
        me.expect(
            &format!(
                "host=localhost port={} user=postgres sslmode=require",
                server.port
            ),
            't',
        );
    }
}
