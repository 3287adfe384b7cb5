//! The console over its router, without a browser: accounts, login, forms, pages with hostile text in every field.

use std::sync::Arc;

use memgate::auth::CredentialRole;
use memgate::domain::Timestamp;
use memgate::service::{Options, Service, ServiceError};
use memgate::store::server::ServerDb;

const PASSWORD: &str = "EXAMPLE correct horse battery";

struct Desk {
    service: Arc<Service>,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::init(Options::new(&folder.path().join("server"))).unwrap();
        Self { service, folder }
    }
    fn account(&self, name: &str, role: CredentialRole) {
        self.service.add_account(None, name, role, PASSWORD).unwrap();
    }
}

#[test]
fn who_proposes_never_gets_an_account() {
    let desk = Desk::new();
    for role in CredentialRole::ALL {
        let proposes = role.may(memgate::auth::Scope::Submit);
        let made = desk.service.add_account(None, &role.name().replace('_', "-"), role, PASSWORD);
        assert_eq!(made.is_err(), proposes, "{}", role.name());
    }
    let key = desk.service.create_key(None, "bot", CredentialRole::Reviewer, None, None).unwrap();
    assert!(desk.service.login("bot", key.key.expose(), None).is_err(), "a key is no password");
    assert!(desk.service.visitor(key.key.expose()).unwrap().is_none(), "a key is no login");
}

#[test]
fn a_login_ends_when_it_is_idle_when_it_is_old_when_it_is_ended_and_with_the_account() {
    let desk = Desk::new();
    desk.account("ana", CredentialRole::Reviewer);
    let login = || desk.service.login("ana", PASSWORD, None).unwrap().0;
    let alive = |token: &str| desk.service.visitor(token).unwrap().is_some();
    let other = ServerDb::open(&desk.folder.path().join("server/server.db")).unwrap();
    let hour = 3_600_000;

    let token = login();
    assert!(alive(&token) && !alive(&token.to_uppercase()) && !alive(""));
    desk.service.logout(&token).unwrap();
    assert!(!alive(&token));

    let idle = login();
    let digest = memgate::domain::Digest::of(&idle);
    let (_, times) = other.login(&digest).unwrap().unwrap();
    other.touch_login(&digest, times.created.plus_ms(-hour)).unwrap();
    assert!(!alive(&idle));

    let old = memgate::domain::Digest::of("old");
    let account = desk.service.accounts().unwrap().remove(0).id;
    other.put_login(&old, &account, times.created.plus_ms(-13 * hour), Timestamp(0), 8).unwrap();
    other.touch_login(&old, times.created).unwrap();
    assert!(!alive("old"));

    let (first, second) = (login(), login());
    desk.service.set_password("ana", "EXAMPLE another sentence").unwrap();
    assert!(!alive(&first) && !alive(&second));
    assert!(desk.service.login("ana", PASSWORD, None).is_err());

    let (token, _) = desk.service.login("ana", "EXAMPLE another sentence", None).unwrap();
    desk.service.disable_account("ana", true).unwrap();
    assert!(!alive(&token));
    assert!(desk.service.login("ana", "EXAMPLE another sentence", None).is_err());
}

#[test]
fn a_login_replaces_the_token_that_the_browser_had() {
    let desk = Desk::new();
    desk.account("ana", CredentialRole::Reviewer);
    let (first, visitor) = desk.service.login("ana", PASSWORD, None).unwrap();
    let (second, next) = desk.service.login("ana", PASSWORD, Some(&first)).unwrap();
    assert_ne!(first, second);
    assert!(desk.service.visitor(&first).unwrap().is_none());
    assert!(!next.is_form_token(&visitor.form_token()), "each login has its own forms");
    for _ in 0..12 {
        desk.service.login("ana", PASSWORD, None).unwrap();
    }
    assert!(desk.service.visitor(&second).unwrap().is_none(), "an account has few logins at once");
}

#[test]
fn guessing_is_slowed_down_and_says_nothing_about_names() {
    let desk = Desk::new();
    desk.account("ana", CredentialRole::Reviewer);
    let mut answers = Vec::new();
    for name in ["ana", "nobody"] {
        for _ in 0..5 {
            answers.push(desk.service.login(name, "EXAMPLE wrong password", None).unwrap_err().to_string());
        }
        let last = desk.service.login(name, PASSWORD, None).unwrap_err();
        assert!(matches!(last, ServiceError::Limited { .. }), "{name}: {last}");
    }
    answers.dedup();
    assert_eq!(answers, ["the name or the password is wrong"]);
}

#[test]
fn no_password_and_no_token_is_on_the_disk() {
    let desk = Desk::new();
    desk.account("ana", CredentialRole::Reviewer);
    let (token, _) = desk.service.login("ana", PASSWORD, None).unwrap();
    desk.service.stop();
    for file in ["server.db", "server.db-wal"] {
        let bytes = std::fs::read(desk.folder.path().join("server").join(file)).unwrap_or_default();
        for secret in [PASSWORD, token.as_str()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
        }
    }
}
