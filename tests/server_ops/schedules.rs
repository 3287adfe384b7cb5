//! Schedules of dreams: each kind of reason, one dream at a time, durable, explained.

use memgate::auth::CredentialRole;
use memgate::domain::Timestamp;
use memgate::service::{Caller, Options, Service};
use serde_json::{Value, json};

use super::{caller, init, store, until};

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

fn write(service: &Service, agent: &Caller, store: &str, name: &str) {
    let text = format!("The {name} is on the second shelf.");
    service.create_memory(agent, store, &format!("/{name}.md"), text, false).unwrap();
}

fn ended(service: &Service, agent: &Caller, dream: &str) -> Value {
    until("end of the dream", || {
        let dream = service.dream(agent, dream).unwrap();
        matches!(dream["status"].as_str(), Some("completed" | "failed")).then_some(dream)
    })
}

#[test]
fn changes_begin_a_dream_and_the_dream_itself_is_no_news() {
    let folder = tempfile::tempdir().unwrap();
    let service = init(&folder.path().join("server"), |_| ());
    let agent = caller(&service, CredentialRole::Submitter, "agent");
    let id = store(&service, &agent, "notes");
    let set = service.put_schedule(&agent, &id, &json!({ "churn": 3, "update_existing": true })).unwrap();
    assert!(set["when"].as_str().unwrap().contains("after 3 changes of memories (now 0)"), "{set}");
    write(&service, &agent, &id, "kettle");
    write(&service, &agent, &id, "teapot");
    assert_eq!(service.tick_schedules(now()).unwrap(), [""; 0]);
    write(&service, &agent, &id, "strainer");
    assert_eq!(service.schedule(&agent, &id).unwrap()["due"], "churn");
    let begun = service.tick_schedules(now()).unwrap();
    assert_eq!(begun.len(), 1);
    let dream = ended(&service, &agent, &begun[0]);
    assert_eq!(dream["status"], "completed", "{dream}");
    assert_eq!(dream["output_behavior"]["memory_store_id"], id.as_str());
    assert_eq!(service.tick_schedules(now()).unwrap(), [""; 0]);
    // The trail says who and why.
    let auditor = caller(&service, CredentialRole::Auditor, "auditor");
    let trail = service.audit_trail(&auditor, 0, 1000).unwrap();
    let fired = trail.iter().find(|(_, _, body)| body["event"] == "schedule.fired").unwrap();
    assert_eq!(fired.2["about"]["reason"], "churn");
    let created = trail.iter().find(|(_, _, body)| body["event"] == "dream.created").unwrap();
    assert_eq!(created.2["about"]["key"], "service_schedule");
    service.stop();
}

#[test]
fn times_fire_once_even_after_a_long_pause_and_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("server");
    let service = init(&root, |_| ());
    let agent = caller(&service, CredentialRole::Submitter, "agent");
    let id = store(&service, &agent, "notes");
    write(&service, &agent, &id, "kettle");
    let set = service.put_schedule(&agent, &id, &json!({ "cron": "0 * * * *", "jitter_minutes": 10 })).unwrap();
    let next: Timestamp = set["next_at"].as_str().unwrap().parse().unwrap();
    assert!(next.0 > now().0 && next.0 <= now().0 + 71 * 60_000);
    // The same rule set again changes nothing, and the jitter is the store's own.
    let again = service.put_schedule(&agent, &id, &json!({ "cron": "0 * * * *", "jitter_minutes": 10 })).unwrap();
    assert_eq!(again["next_at"], set["next_at"]);
    assert_eq!(service.tick_schedules(Timestamp(next.0 - 1)).unwrap(), [""; 0]);
    service.stop();
    drop(service);

    let service = Service::open(Options::new(&root)).unwrap();
    let late = next.plus_ms(36 * 3_600_000);
    let begun = service.tick_schedules(late).unwrap();
    assert_eq!(begun.len(), 1);
    ended(&service, &agent, &begun[0]);
    assert_eq!(service.tick_schedules(late).unwrap(), [""; 0]);
    assert_eq!(service.tick_schedules(late.plus_ms(72 * 60_000)).unwrap().len(), 1);
    service.stop();
}

#[test]
fn quiet_begins_a_dream_only_when_something_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let service = init(&folder.path().join("server"), |_| ());
    let agent = caller(&service, CredentialRole::Submitter, "agent");
    let id = store(&service, &agent, "notes");
    service.put_schedule(&agent, &id, &json!({ "idle_minutes": 30, "update_existing": true })).unwrap();
    let hours = 3_600_000;
    assert_eq!(service.tick_schedules(now().plus_ms(2 * hours)).unwrap(), [""; 0]);
    write(&service, &agent, &id, "kettle");
    assert_eq!(service.tick_schedules(now().plus_ms(29 * 60_000)).unwrap(), [""; 0]);
    let begun = service.tick_schedules(now().plus_ms(31 * 60_000)).unwrap();
    assert_eq!(begun.len(), 1);
    ended(&service, &agent, &begun[0]);
    assert_eq!(service.tick_schedules(now().plus_ms(9 * hours)).unwrap(), [""; 0]);
    service.stop();
}

#[test]
fn rules_that_do_not_check_are_refused_and_roles_kept() {
    let folder = tempfile::tempdir().unwrap();
    let service = init(&folder.path().join("server"), |_| ());
    let agent = caller(&service, CredentialRole::Submitter, "agent");
    let id = store(&service, &agent, "notes");
    for (rules, says) in [
        (json!({}), "needs"),
        (json!({ "cron": "61 * * * *" }), "minute"),
        (json!({ "cron": "0 0 30 2 *" }), "no such day"),
        (json!({ "sessions": 0 }), "sessions: 1 to"),
        (json!({ "churn": 1, "jitter_minutes": 100_000 }), "jitter_minutes"),
        (json!({ "when": "always" }), "a schedule has"),
        (json!({ "churn": "many" }), "a schedule has"),
        (json!([]), "a schedule"),
    ] {
        let error = service.put_schedule(&agent, &id, &rules).unwrap_err().to_string();
        assert!(error.contains(says), "{rules}: {error}");
    }
    assert!(service.schedule(&agent, &id).is_err());
    let reader = caller(&service, CredentialRole::Agent, "reader");
    assert!(service.put_schedule(&reader, &id, &json!({ "churn": 1 })).is_err());
    service.put_schedule(&agent, &id, &json!({ "churn": 1 })).unwrap();
    assert!(service.schedule(&reader, &id).is_ok() && service.delete_schedule(&reader, &id).is_err());
    service.delete_schedule(&agent, &id).unwrap();
    assert!(service.schedule(&agent, &id).is_err());

    // The configuration: a store that is gone keeps nobody from starting, a rule that is none does.
    let wanted = |rules: Value| vec![("memstore_gone".to_owned(), json!({ "churn": 1 })), (id.clone(), rules)];
    service.configure_schedules(&wanted(json!({ "cron": "@daily" }))).unwrap();
    assert_eq!(service.schedule(&agent, &id).unwrap()["configured"], true);
    assert!(service.configure_schedules(&wanted(json!({ "cron": "daily" }))).is_err());
    service.configure_schedules(&[]).unwrap();
    assert!(service.schedule(&agent, &id).is_err());
    service.stop();
}
