//! `server.toml`, environment and flags as the binary reads them; the printed unit and container recipe.

use std::collections::BTreeSet;
use std::fs;

use memgate::config::server::KEYS;

use super::{memgate, memgate_json};

#[test]
fn every_flag_of_serve_has_a_key_and_every_flag_of_a_key_is_there() {
    let tree = memgate::cli::command_tree();
    let serve = tree.find_subcommand("serve").unwrap();
    let flags: BTreeSet<&str> =
        serve.get_arguments().filter(|arg| !arg.is_global_set()).filter_map(|arg| arg.get_long()).collect();
    let keys: BTreeSet<&str> = KEYS.iter().map(|key| key.flag).filter(|flag| !flag.is_empty()).collect();
    assert_eq!(flags.difference(&keys).collect::<Vec<_>>(), [&""; 0]);
    assert_eq!(keys.difference(&flags).collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn a_configuration_is_checked_shown_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    fs::write(data.join("hook.secret"), "whsec_RVhBTVBMRUVYQU1QTEVFWEFNUExFRVhBTVBMRSEh\n").unwrap();
    let text = "[server]\nlisten = \"127.0.0.1:7000\"\n\n[[webhook]]\nname = \"soc\"\n\
                url = \"https://hooks.example/in?token=EXAMPLE\"\nsecret = { file = \"hook.secret\" }\n";
    fs::write(data.join("server.toml"), text).unwrap();
    let (code, _, err) = memgate(data, &["config", "check"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for args in [["config", "show"], ["config", "sources"]] {
        let (code, out, _) = memgate(data, &args);
        assert!(code == 0 && out.contains("127.0.0.1:7000") && out.contains("server.toml:2:1"), "{out}");
        assert!(!out.contains("whsec_") && !out.contains("EXAMPLE"), "{out}");
        let json = memgate_json(data, &args).to_string();
        assert!(json.contains("server.toml:2:1") && !json.contains("EXAMPLE") && !json.contains("whsec_"), "{json}");
    }
    // What is shown is a file that says the same.
    let (_, shown, _) = memgate(data, &["config", "show"]);
    let again = tempfile::tempdir().unwrap();
    fs::write(again.path().join("server.toml"), shown.replace("?(masked)", "")).unwrap();
    fs::copy(data.join("hook.secret"), again.path().join("hook.secret")).unwrap();
    assert_eq!(memgate(again.path(), &["config", "check"]).0, 0, "{shown}");

    fs::remove_file(data.join("hook.secret")).unwrap();
    let (code, _, err) = memgate(data, &["config", "check"]);
    assert!(code == 4 && err.contains("config-secret") && err.contains("server.toml:4:1"), "{code} {err}");
    fs::write(data.join("server.toml"), "[server]\nlisten = \"127.0.0.1:7000\"\nport = 1\n").unwrap();
    for args in [["config", "check"].as_slice(), &["config", "show"], &["serve"], &["serve", "init"]] {
        let (code, _, err) = memgate(data, args);
        assert!(code == 4 && err.contains("server.toml:3:1: no such key: server.port"), "{args:?}: {code} {err}");
    }
}

#[test]
fn the_unit_and_the_recipe_are_what_was_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, golden, says) in [
        ("--systemd", include_str!("../../src/cli/serve/memgate.service"), "NoNewPrivileges=yes"),
        ("--containerfile", include_str!("../../src/cli/serve/Containerfile"), "USER 65532"),
    ] {
        let (code, out, _) = memgate(folder.path(), &["serve", "unit", flag]);
        assert_eq!((code, out.as_str()), (0, golden));
        assert!(out.contains(says));
        // Every command line in it is one of ours: what it names exists.
        for line in out.lines().filter(|line| line.contains("memgate serve")) {
            assert!(line.contains("--data /data") || line.contains("--data /var/lib/memgate"), "{line}");
        }
    }
    assert_eq!(memgate(folder.path(), &["serve", "unit"]).0, 2);
}
