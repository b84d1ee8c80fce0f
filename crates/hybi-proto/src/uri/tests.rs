use super::*;
use proptest::prelude::*;

fn parse(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refused(url: &str) -> String {
    match Target::parse(url) {
        Ok(target) => panic!("{url} is taken for {target}"),
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::InvalidUrl);
            error.to_string()
        }
    }
}

#[test]
fn urls_say_where_to_connect_and_what_to_ask_for() {
    let table = [
        // url, secure, host, port, Host header, path and query
        ("ws://example.com", false, "example.com", 80, "example.com", "/"),
        ("ws://example.com/", false, "example.com", 80, "example.com", "/"),
        ("wss://example.com", true, "example.com", 443, "example.com", "/"),
        ("http://example.com/x", false, "example.com", 80, "example.com", "/x"),
        ("https://example.com/x", true, "example.com", 443, "example.com", "/x"),
        ("WSS://Example.COM/X", true, "example.com", 443, "example.com", "/X"),
        ("ws://example.com:80/", false, "example.com", 80, "example.com", "/"),
        ("ws://example.com:443/", false, "example.com", 443, "example.com:443", "/"),
        ("wss://example.com:80/", true, "example.com", 80, "example.com:80", "/"),
        ("ws://example.com:65535", false, "example.com", 65535, "example.com:65535", "/"),
        ("ws://example.com:008080", false, "example.com", 8080, "example.com:8080", "/"),
        ("ws://example.com?a=b", false, "example.com", 80, "example.com", "/?a=b"),
        ("ws://example.com/a?b?c", false, "example.com", 80, "example.com", "/a?b?c"),
        ("ws://example.com?", false, "example.com", 80, "example.com", "/?"),
        ("ws://my_host.local.", false, "my_host.local.", 80, "my_host.local.", "/"),
        ("ws://127.0.0.1:8080/", false, "127.0.0.1", 8080, "127.0.0.1:8080", "/"),
        ("ws://[::1]:8080/", false, "::1", 8080, "[::1]:8080", "/"),
        ("wss://[2001:DB8:0:0::1]", true, "2001:db8::1", 443, "[2001:db8::1]", "/"),
        (
            "ws://xn--bcher-kva.example",
            false,
            "xn--bcher-kva.example",
            80,
            "xn--bcher-kva.example",
            "/",
        ),
        ("ws://0x7f.example", false, "0x7f.example", 80, "0x7f.example", "/"),
    ];
    for (url, secure, host, port, host_header, path_and_query) in table {
        let target = parse(url);
        assert_eq!(
            (target.secure(), target.host(), target.port(), target.path_and_query()),
            (secure, host, port, path_and_query),
            "{url}"
        );
        assert_eq!(target.host_header(), host_header, "{url}");
        assert_eq!(target.unix_path(), None, "{url}");
        assert_eq!(target.authorization(), None, "{url}");
        assert_eq!(target.ip(), host.parse().ok(), "{url}");
    }
}

#[test]
fn paths_are_encoded_as_browsers_do() {
    let table = [
        ("ws://h/a b", "/a%20b"),
        ("ws://h/%7e%2F%zz%", "/%7e%2F%zz%"),
        ("ws://h/grüße?größe", "/gr%C3%BC%C3%9Fe?gr%C3%B6%C3%9Fe"),
        ("ws://h/\"<>`{}^|[]", "/%22%3C%3E%60%7B%7D%5E|[]"),
        ("ws://h/?\"<>`{}^|[]'\\ ", "/?%22%3C%3E`{}^|[]%27\\%20"),
        ("ws://h/a/./b/../c", "/a/c"),
        ("ws://h/a/b/..", "/a/"),
        ("ws://h/a/%2E%2e/b/.", "/b/"),
        ("ws://h/../../etc", "/etc"),
        ("ws://h//a//b", "//a//b"),
        ("ws://h/?a/../b", "/?a/../b"),
        ("ws://h/a:b@c;d=e,f", "/a:b@c;d=e,f"),
    ];
    for (url, expected) in table {
        assert_eq!(parse(url).path_and_query(), expected, "{url}");
    }
}

#[test]
fn user_info_becomes_basic_authentication() {
    let table = [
        ("ws://Aladdin:open%20sesame@h/", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")), // RFC 7617 §2
        ("ws://user@h/", Some("Basic dXNlcjo=")),
        ("ws://:pass@h/", Some("Basic OnBhc3M=")),
        ("ws://user:a:b@h/", Some("Basic dXNlcjphOmI=")),
        ("ws://test:123%C2%A3@h/", Some("Basic dGVzdDoxMjPCow==")), // RFC 7617 §2.1
        ("ws://test:123£@h/", Some("Basic dGVzdDoxMjPCow==")),
        ("ws://@h/", None),
        ("ws://:@h/", None),
    ];
    for (url, expected) in table {
        assert_eq!(parse(url).authorization(), expected, "{url}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let target = parse("wss://user:secret@h:99/x");
    assert_eq!(target.to_string(), "wss://h:99/x");
    assert_eq!(format!("{target:?}"), "Target(wss://h:99/x)");
}

#[test]
fn a_unix_socket_has_a_path_of_its_own() {
    let table = [
        ("ws+unix:/tmp/a.sock", "/tmp/a.sock", "/"),
        ("ws+unix:/tmp/a.sock:", "/tmp/a.sock", "/"),
        ("ws+unix:/tmp/a.sock:/", "/tmp/a.sock", "/"),
        ("WS+UNIX:/tmp/a.sock:/chat?x=1:2", "/tmp/a.sock", "/chat?x=1:2"),
        ("ws+unix:/tmp/a.sock?x", "/tmp/a.sock", "/?x"),
        ("ws+unix:///tmp/a.sock:/chat", "/tmp/a.sock", "/chat"),
        ("ws+unix:a.sock:/chat", "a.sock", "/chat"),
        ("ws+unix:./dir/a.sock:/chat:9", "./dir/a.sock", "/chat:9"),
        ("ws+unix:/tmp/a%3Ab%20%C3%BC.sock:/x y", "/tmp/a:b ü.sock", "/x%20y"),
    ];
    for (url, socket, path) in table {
        let target = parse(url);
        assert_eq!((target.unix_path(), target.path_and_query()), (Some(socket), path), "{url}");
        assert_eq!((target.host_header().as_str(), target.secure()), ("localhost", false));
        assert_eq!(parse(&target.to_string()), target, "{url}");
    }
}

#[test]
fn what_no_client_can_connect_to_is_refused_with_the_reason() {
    let table = [
        ("", "no scheme"),
        (
            "example.com",
            "no scheme; it must begin with ws:// or wss:// (did you mean ws://example.com ?)",
        ),
        ("//example.com", "no scheme"),
        ("127.0.0.1:80", "did you mean ws://127.0.0.1:80 ?"),
        ("[::1]:80/x", "did you mean ws://[::1]:80/x ?"),
        (" ws://example.com", "no scheme"),
        ("localhost:8080/x", "did you mean ws://localhost:8080/x ?"),
        ("ftp://example.com", "scheme \"ftp\" is not one of ws, wss, http, https, ws+unix"),
        ("wss+unix:/a.sock:/", "scheme \"wss+unix\""),
        ("ws:example.com", "must be followed by //"),
        ("ws:/example.com", "must be followed by //"),
        ("ws:\\\\example.com", "must be followed by //"),
        ("ws://", "no host"),
        ("ws:///path", "no host"),
        ("ws://:80", "no host"),
        ("ws://user@/", "no host"),
        ("ws://h/#frag", "fragment"),
        ("ws://h/#", "fragment"),
        ("ws://h#/", "fragment"),
        ("ws+unix:/a.sock:/#x", "fragment"),
        ("ws://h:/", "port is empty"),
        ("ws://[::1]:/", "port is empty"),
        ("ws://h:0/", "port 0"),
        ("ws://h:65536/", "port 65536 is larger than 65535"),
        ("ws://h:99999999999999999999/", "is larger than 65535"),
        ("ws://h:8o/", "port \"8o\" is not a number"),
        ("ws://h:+80/", "port \"+80\" is not a number"),
        ("ws://h:-1/", "is not a number"),
        ("ws://h:80:90/", "several colons"),
        ("ws://::1/", "several colons"),
        ("ws://[::1/", "no closing bracket"),
        ("ws://[::1]x/", "follows the IPv6 address"),
        ("ws://[::g]/", "not an IPv6 address"),
        ("ws://[127.0.0.1]/", "not an IPv6 address"),
        ("ws://[fe80::1%25eth0]/", "zone"),
        ("ws://256.0.0.1/", "neither a name nor an IPv4 address"),
        ("ws://127.1/", "neither a name nor an IPv4 address"),
        ("ws://2130706433/", "neither a name nor an IPv4 address"),
        ("ws://0x7f000001/", "neither a name nor an IPv4 address"),
        ("ws://0177.0.0.1/", "neither a name nor an IPv4 address"),
        ("ws://1.2.3.4./", "neither a name nor an IPv4 address"),
        ("ws://a@b@h/", "several @"),
        ("ws://a%3Ab:c@h/", "user name has a colon"),
        ("ws://a%00:c@h/", "control character"),
        ("ws://bücher.example/", "punycode"),
        ("ws://a%2eb/", "percent-encoded"),
        ("ws://a b/", "the character ' '"),
        ("ws://a\\b/", "the character '\\\\'"),
        ("ws://a..b/", "empty or too long"),
        ("ws://./", "empty or too long"),
        ("ws://h/a\\b", "backslash"),
        ("ws://h/a\r\nX: y", "control character '\\r' at byte 8"),
        ("ws://h/a\n", "control character '\\n'"),
        ("ws://h/a\0", "control character '\\0'"),
        ("ws://h/a\tb", "control character '\\t'"),
        ("ws://h/a\u{7f}b", "control character"),
        ("ws+unix:", "no path of a socket"),
        ("ws+unix::/x", "no path of a socket"),
        ("ws+unix://host/a.sock:/x", "no host"),
        ("ws+unix:/a.sock:x", "must begin with /"),
        ("ws+unix:/a%00.sock:/", "NUL"),
        ("ws+unix:/a%ff.sock:/", "not UTF-8"),
    ];
    for (url, reason) in table {
        let text = refused(url);
        assert!(text.contains(reason), "{url}: {text}");
    }
}

#[test]
fn a_host_name_is_as_long_as_dns_allows() {
    let label = "a".repeat(63);
    parse(&format!("ws://{label}.example/"));
    assert!(refused(&format!("ws://{label}a.example/")).contains("too long"));
    assert!(
        refused(&format!("ws://{}example/", format!("{label}.").repeat(4))).contains("too long")
    );
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let same = |a: &str, b: &str| parse(a).same_origin(&parse(b));
    assert!(same("ws://h/a", "http://H:80/b?c"));
    assert!(same("ws://u:p@h/a", "ws://h/"));
    assert!(same("ws://[::1]/", "ws://[0::1]/"));
    assert!(same("ws+unix:/a:/x", "ws+unix:/a:/y"));
    assert!(!same("ws://h/", "wss://h/"));
    assert!(!same("ws://h:443/", "wss://h:443/"));
    assert!(!same("ws://h/", "ws://h:81/"));
    assert!(!same("ws://h/", "ws://sub.h/"));
    assert!(!same("ws://localhost/", "ws+unix:/a:/"));
    assert!(!same("ws+unix:/a:/", "ws+unix:/b:/"));
}

#[test]
fn a_location_is_resolved_against_the_target() {
    let table = [
        // base, location, result
        ("ws://h/a/b?q", "c", "ws://h/a/c"),
        ("ws://h/a/b?q", "./c/./d", "ws://h/a/c/d"),
        ("ws://h/a/b?q", "../c?x", "ws://h/c?x"),
        ("ws://h/a/b?q", "../../../c", "ws://h/c"),
        ("ws://h/a/b?q", "/c", "ws://h/c"),
        ("ws://h/a/b?q", "?x", "ws://h/a/b?x"),
        ("ws://h/a/b?q", "", "ws://h/a/b?q"),
        ("ws://h?q", "c", "ws://h/c"),
        ("ws://h/a/?x/y", "c", "ws://h/a/c"),
        ("ws://h/a", "b c/ü", "ws://h/b%20c/%C3%BC"),
        ("ws://h/a", "x?http://y", "ws://h/x?http://y"),
        ("ws://h/a", "./x:y", "ws://h/x:y"),
        ("ws://h/a", "//other/b", "ws://other/b"),
        ("wss://h/a", "//other:80/b", "wss://other:80/b"),
        ("ws://h:99/a", "https://h/b", "wss://h/b"),
        ("wss://h/a", "ws://h/b", "ws://h/b"),
        ("ws+unix:/s:/a/b", "c", "ws+unix:/s:/a/c"),
        ("ws+unix:/s:/a/b", "/c", "ws+unix:/s:/c"),
        ("ws+unix:/s:/a/b", "ws://h/c", "ws://h/c"),
        ("ws+unix:/s:/a/b", "ws+unix:/t:/c", "ws+unix:/t:/c"),
    ];
    for (base, location, expected) in table {
        let joined = parse(base).join(location).unwrap();
        assert_eq!(joined.to_string(), expected, "{base} + {location}");
    }
}

#[test]
fn a_location_that_must_not_be_followed_is_refused() {
    for (base, location, reason) in [
        ("ws://h/", "ws+unix:/run/docker.sock:/", "from TCP to a Unix socket"),
        ("ws+unix:/s:/", "//h/", "needs a scheme"),
        ("ws://h/", "ftp://h/", "scheme \"ftp\""),
        ("ws://h/", "/a#b", "fragment"),
        ("ws://h/", "//h:99999/", "larger than 65535"),
        ("ws://h/", "/a\tb", "control character"),
        ("ws://h/", "a\\b", "backslash"),
    ] {
        let error = parse(base).join(location).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRedirect);
        assert!(error.to_string().contains(reason), "{location}: {error}");
    }
}

#[test]
fn user_info_follows_only_within_the_origin() {
    let base = parse("wss://user:pass@h/a");
    let basic = base.authorization();
    for location in ["/b", "b", "?x", "", "//h/b", "https://h:443/b"] {
        assert_eq!(base.join(location).unwrap().authorization(), basic, "{location}");
    }
    for location in ["//other/b", "ws://h/b", "wss://h:444/b"] {
        assert_eq!(base.join(location).unwrap().authorization(), None, "{location}");
    }
    let own = base.join("wss://me@h/").unwrap();
    assert_eq!(own.authorization(), Some("Basic bWU6"));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(scheme in "(ws|wss|ws\\+unix|x)?:?/?/?", rest in any::<String>()) {
        let url = format!("{scheme}{rest}");
        for url in [&url, &rest] {
            if let Ok(target) = Target::parse(url) {
                prop_assert!(target.path_and_query().starts_with('/'));
                prop_assert!(target.path_and_query().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(target.host_header().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(&Target::parse(&target.to_string()).unwrap().to_string(), &target.to_string());
            }
        }
        let _ = parse("ws://h/a/b").join(&rest);
    }

    #[test]
    fn a_shown_url_leads_to_the_same_place(
        url in "wss?://[a-z]{1,5}(:[1-9][0-9]{0,3})?(/[a-z%. ü?]{0,8}){0,3}",
    ) {
        let target = parse(&url);
        prop_assert_eq!(parse(&target.to_string()), target);
    }
}
