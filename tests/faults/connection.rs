//! What happens to the line between kmig and the server.

use crate::support::kmig::{Project, project};
use crate::support::server::Server;
use crate::support::wire_proxy::{At, Harm, WireProxy};

#[test]
fn the_wire_proxy_counts_messages_and_cuts_at_one() {
    if !Server::available() {
        return;
    }
    let server = Server::shared();
    let line = WireProxy::start(server.port());
    let behind = |database: &str| line.url(database);
    let project: Project = project(&[
        ("kmig.toml", ""),
        ("migrations/core/001_a/up.sql", "create table a ();"),
    ]);
    let bootstrap = |database: &str| {
        let command = project.kmig(["bootstrap"]);
        command.env("KMIG_URL", behind(database)).run()
    };
    let output = bootstrap(&server.database());
    assert_eq!(output.code, 0, "{output}");
    let undisturbed = line.messages();
    for harm in [Harm::Cut, Harm::Reset] {
        for at in [At::Before(3), At::After(3)] {
            line.count_anew();
            line.harm(at, harm);
            let output = bootstrap(&server.database());
            assert_eq!(output.code, 1, "{output}");
            assert!(undisturbed > line.messages());
        }
    }
}
