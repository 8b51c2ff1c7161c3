//! The examples of the RFCs, and round trips between both sides.

use proptest::prelude::*;

use super::*;

fn login(user: &str, password: &str) -> Login {
    Login { user: user.into(), password: password.into() }
}

/// The example of RFC 7616 section 3.9.1, as its client writes it.
fn of_the_rfc(algorithm: &str, response: &str) -> String {
    format!(
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

#[test]
fn the_examples_of_rfc_7616() {
    // The third is no example of the RFC's, whose -sess has none: it follows from section 3.4.2.
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("SHA-256-sess", "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"),
    ] {
        let text = of_the_rfc(algorithm, response);
        let Some(Authorization::Digest(digest)) = read_authorization(text.as_bytes()) else { panic!("{text}") };
        assert_eq!((&*digest.realm, &*digest.uri), ("http-auth@example.org", "/dir/index.html"));
        assert!(digest.is_of(&login("Mufasa", "Circle of Life"), "GET"), "{algorithm}");
        assert!(!digest.is_of(&login("Mufasa", "Circle of life"), "GET"));
        assert!(!digest.is_of(&login("Scar", "Circle of Life"), "GET"));
        assert!(!digest.is_of(&login("Mufasa", "Circle of Life"), "CONNECT"));
    }
}

#[test]
fn the_challenges_of_rfc_7616() {
    let one = |algorithm: &str| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe\""
        )
    };
    let of = |value: &str| match read_challenge(value) {
        Some(Challenge::Digest { algorithm, realm, opaque, stale: false, .. }) => {
            assert_eq!((&*realm, opaque.as_deref()), ("http-auth@example.org", Some("FQhe")));
            algorithm
        }
        other => panic!("{value}: {other:?}"),
    };
    assert_eq!(of(&one("MD5")), Algorithm::Md5);
    assert_eq!(of(&one("SHA-256")), Algorithm::Sha256);
    // The most that is asked for, wherever it stands among the others.
    assert_eq!(of(&format!("{}, {}", one("SHA-256"), one("MD5"))), Algorithm::Sha256);
    assert_eq!(of(&format!("Basic realm=\"x\", {}, {}", one("MD5"), one("SHA-256-sess"))), Algorithm::Sha256Sess);
    assert_eq!(of(&format!("Negotiate abc==, {}", one("md5"))), Algorithm::Md5);
    assert_eq!(of(&format!("{}, {}", one("SHA-512-256"), one("MD5"))), Algorithm::Md5);
}

#[test]
fn the_example_of_rfc_7617() {
    let aladdin = login("Aladdin", "open sesame");
    assert_eq!(write_basic(&aladdin), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let read = read_authorization(b"basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(matches!(read, Some(Authorization::Basic(read)) if read.matches(&aladdin)));
    let challenge = Challenge::Basic { realm: "WallyWorld".into() };
    assert_eq!(read_challenge("Basic realm=\"WallyWorld\""), Some(challenge.clone()));
    assert_eq!(read_challenge(&write_challenge(&challenge)), Some(challenge));
}

#[test]
fn what_cannot_be_answered_is_no_challenge() {
    for value in [
        "",
        ",",
        "\"",
        "Bearer realm=\"x\"",
        "Basic",
        "Digest realm=\"x\", nonce=\"n\"",
        "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"x, nonce=\"n\", qop=\"auth\"",
        "Digest realm=\"x\", nonce=\"n\", qop=auth, algorithm=SHA-1",
    ] {
        assert_eq!(read_challenge(value), None, "{value}");
    }
    for value in [&b""[..], b"Basic", b"Basic !", b"Basic eA==", b"Digest x", b"Bearer abc", b"\xff\xff"] {
        assert!(read_authorization(value).is_none());
    }
}

#[test]
fn legs_are_written_and_read_and_every_other_scheme_is_stronger() {
    let legs = |message: Option<&str>| Challenge::Legs {
        scheme: LegScheme::Ntlm,
        message: message.map(|message| Cow::Owned(message.into())),
    };
    let second = legs::challenge(7);
    for message in [None, Some(&*second)] {
        let written = write_challenge(&legs(message));
        assert_eq!(read_challenge(&written), Some(legs(message)));
    }
    assert_eq!((legs(Some(&second)).goes_on(), legs(Some(&second)).into_owned()), (true, legs(None)));
    let alice = login("alice", "secret");
    let answer = |challenge: &Challenge<'_>| write_answer(challenge, &alice, ("GET", "/"), 1, [7; 16]);
    assert_eq!(answer(&legs(None)), format!("NTLM {}", legs::begin()));
    assert_eq!(answer(&legs(Some(&second))), format!("NTLM {}", alice.prove(&second).unwrap()));
    assert_eq!(strongest(["NTLM", "Basic realm=\"x\"", "Negotiate"].into_iter()), "Basic realm=\"x\"");
}

#[test]
fn nothing_secret_is_printed() {
    let secret = login("aladdin-user", "open sesame");
    let challenge = Challenge::Digest {
        realm: "r".into(),
        nonce: "n".into(),
        algorithm: Algorithm::Md5,
        opaque: None,
        stale: true,
    };
    let answer = write_answer(&challenge, &secret, ("GET", "/"), 1, [7; 16]);
    let basic = write_basic(&secret);
    let message = Some(legs::challenge(7).into());
    let legs = Challenge::Legs { scheme: LegScheme::Ntlm, message };
    let proof = write_answer(&legs, &secret, ("GET", "/"), 1, [7; 16]);
    for value in [&answer, &basic, &proof] {
        let printed = format!("{:?} {secret:?}", read_authorization(value.as_bytes()).unwrap());
        assert!(!printed.contains("aladdin") && !printed.contains("sesame") && !printed.contains("response"));
        assert!(!printed.contains("TlRM"));
    }
}

fn any_text() -> impl Strategy<Value = String> {
    "[ -~äß€\\\\\"]{0,20}"
}

proptest! {
    #[test]
    fn a_server_reads_what_a_client_answers(
        (user, password, realm, nonce) in ("[ -9;-~]{0,12}", any_text(), any_text(), any_text()),
        (opaque, stale, which) in (proptest::option::of(any_text()), any::<bool>(), 0..4usize),
        (count, cnonce) in (any::<u32>(), any::<[u8; 16]>()),
    ) {
        let algorithm = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha256Sess].get(which);
        let (realm, nonce) = (realm.into(), nonce.into());
        let challenge = match algorithm {
            Some(algorithm) => {
                Challenge::Digest { realm, nonce, algorithm: *algorithm, opaque: opaque.map(Cow::from), stale }
            }
            None => Challenge::Basic { realm },
        };
        let written = write_challenge(&challenge);
        prop_assert_eq!(read_challenge(&written), Some(challenge.clone()));
        let login = login(&user, &password);
        let answer = write_answer(&challenge, &login, ("GET", "/chat?a=b"), count, cnonce);
        match read_authorization(answer.as_bytes()) {
            Some(Authorization::Basic(read)) => prop_assert!(algorithm.is_none() && read.matches(&login)),
            Some(Authorization::Digest(digest)) => {
                prop_assert!(digest.is_of(&login, "GET"));
                prop_assert_eq!(&*digest.uri, "/chat?a=b");
            }
            other => prop_assert!(false, "{} is read as {:?}", answer, other),
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[ -~]{0,60}") {
        let _ = read_authorization(&bytes);
        let _ = read_authorization(text.as_bytes());
        let _ = read_challenge(&text);
        let _ = read_challenge(&format!("Digest {text}"));
    }
}
