use super::*;

#[test]
fn a_place_is_found_in_what_was_sent() {
    assert_eq!(
        position("line 2:3 no viable alternative at input 'x'"),
        Some((2, 3))
    );
    // At the end of the input there is none.
    assert_eq!(
        position("line 0:-1 no viable alternative at input '<EOF>'"),
        None
    );
    assert_eq!(position("Undefined column name x"), None);
    let text = "créate\n  \u{1F600}x tabel";
    assert_eq!(byte_of(text, (1, 3)), Some("cré".len()));
    assert_eq!(byte_of(text, (2, 2)), text.find('\u{1F600}'));
    // Columns count UTF-16 units: two for what lies outside the first plane.
    assert_eq!(byte_of(text, (2, 4)), text.find('x'));
    assert_eq!(byte_of(text, (3, 0)), None);
    assert_eq!(byte_of(text, (0, 0)), None);
}

#[test]
fn code_and_message_stand_in_the_middle_of_a_line() {
    let mut fault = Fault::silent(Kind::InDoubt, &"Operation timed out.");
    assert_eq!(fault.brief(), "Operation timed out");
    fault.code = Some(0x1100);
    assert_eq!(fault.brief(), "1100 (write timeout), Operation timed out");
}

#[test]
fn only_a_no_of_the_server_is_a_no() {
    for (error, wanted) in [
        (DbError::SyntaxError, Kind::Refused),
        (DbError::Invalid, Kind::Refused),
        (DbError::Unauthorized, Kind::Refused),
        (DbError::ConfigError, Kind::Refused),
        (DbError::Overloaded, Kind::Busy),
        (DbError::IsBootstrapping, Kind::Busy),
        (DbError::ServerError, Kind::InDoubt),
        (DbError::TruncateError, Kind::InDoubt),
        // CAS_WRITE_UNKNOWN of protocol v5.
        (DbError::Other(0x1700), Kind::InDoubt),
    ] {
        let fault = Fault::said(&error, "why");
        assert_eq!(fault.kind, wanted, "{error:?}");
        assert_eq!(fault.in_doubt(), wanted != Kind::Refused);
    }
    let timeout = ExecutionError::RequestTimeout(std::time::Duration::from_secs(1));
    assert_eq!(Fault::from(timeout).kind, Kind::InDoubt);
    assert_eq!(
        Fault::from(ExecutionError::EmptyPlan).kind,
        Kind::Unreachable
    );
}

#[test]
fn the_code_is_told_as_cqlsh_tells_it() {
    let server = Fault::said(&DbError::Unauthorized, "no").error().server;
    assert_eq!(
        server.map(|server| server.code).as_deref(),
        Some("2100 (unauthorized)")
    );
}
