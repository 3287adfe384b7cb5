//! `memgate demo --console`: the sample store behind a server, with held writes and one reviewer who can log in.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{CliError, Context, Exit, Format, demo, serve};
use crate::auth::CredentialRole;
use crate::service::{Options, Service, ServiceError, StoreCreate};

/// Honest, and yet held: it says what the agent is always to do. A person decides.
const NEAR_MISS: &str = "- The support agent must always offer the customer a written confirmation of a rebooking.\n";

/// Fills a server in a folder and serves it until it is told to stop.
pub(super) fn run(folder: &Path, context: &Context) -> Result<Exit, CliError> {
    let root = folder.join("server");
    let mut options = Options::new(&root);
    options.reviewers = vec!["ana".into(), "ben".into()];
    let service = Service::init(options)?;
    let password = service.fresh_password()?;
    service.add_account(None, "ana", CredentialRole::Reviewer, &password)?;
    let key = service.create_key(None, "support-agent", CredentialRole::Submitter, None, None)?;
    let caller = service.authenticate(key.key.expose())?;
    let request = StoreCreate {
        name: "Support desk".to_owned(),
        description: "What an airline's support agent remembers".to_owned(),
        ..StoreCreate::default()
    };
    let store = service.create_store(&caller, &request)?;
    let store = store["id"].as_str().unwrap_or_default().to_owned();
    let (mut stored, mut held) = (0, 0);
    let mut write = |path: &str, text: &str| match service.create_memory(&caller, &store, path, text.to_owned(), false)
    {
        Ok(_) => {
            stored += 1;
            Ok(())
        }
        Err(ServiceError::Held { .. }) => {
            held += 1;
            Ok(())
        }
        // What is refused outright waits for nobody.
        Err(ServiceError::Blocked { .. }) => Ok(()),
        Err(error) => Err(error),
    };
    for (path, text) in demo::memories("memory")? {
        write(&path, text)?;
    }
    let mut number = 0;
    for (_, text) in demo::memories("memory_poisoned")? {
        for line in text.lines().filter(|line| line.starts_with('-')) {
            number += 1;
            write(&format!("/learned/{number:02}.md"), &format!("{line}\n"))?;
        }
    }
    write("/learned/confirmation.md", NEAR_MISS)?;
    serve::until_stopped(Arc::clone(&service), context, |address| match context.format {
        Format::Json => context.print_json(&json!({
            "schema": "memgate/demo-console/1", "console": format!("http://{address}/console"), "name": "ana",
            "password": password, "memories": stored, "held": held,
        })),
        _ => context.print(&format!(
            "The console of a demo: {stored} memories in the store, {held} writes wait for a person.\n\n  \
             Open      http://{address}/console\n  Name      ana\n  Password  {password}\n\n\
             A second reviewer, for what needs two: memgate --data {} user add ben\n\
             Ctrl-C ends it; without --keep everything disappears then.\n",
            crate::report::show_line(&root.to_string_lossy(), 80),
        )),
    })
}
