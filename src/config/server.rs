//! What a server is told: built-in values, then `server.toml` in its folder, then the environment, then flags.
//!
//! A later one wins, key by key, and every value remembers where it comes from. Unknown keys are refused with their
//! position. Secrets stand elsewhere: the file names the variable or the file that holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;

/// The file's name in a server's folder.
pub const SERVER_FILE: &str = "server.toml";
/// How the names of variables begin; `__` stands for the dot of a key.
const PREFIX: &str = "MEMGATE_";

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `IP:PORT`.
    Address,
    /// A path; in the file, from the file's folder.
    Path,
    /// True or false.
    Switch,
    /// A whole number within bounds.
    Number(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    List,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Section and name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The built-in value, as it would be written; empty for none.
    pub default: &'static str,
    /// The flag of `memgate serve` that says the same; empty for what only file and environment say.
    pub flag: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str, flag: &'static str) -> Key {
    Key { name, kind, default, flag }
}

/// Every key with one value, in the order they are shown.
pub const KEYS: &[Key] = &[
    key("dreams.workers", Kind::Number(1, 16), "1", "dream-workers"),
    // Requests per minute; 0 for no limit. They bound a runaway client; tighter ones are a deployment's own choice.
    key("limits.admin_per_agent", Kind::Number(0, 1_000_000_000), "6000", ""),
    key("limits.admin_per_credential", Kind::Number(0, 1_000_000_000), "6000", ""),
    key("limits.admin_per_workspace", Kind::Number(0, 1_000_000_000), "24000", ""),
    key("limits.recall_per_agent", Kind::Number(0, 1_000_000_000), "360000", ""),
    key("limits.recall_per_credential", Kind::Number(0, 1_000_000_000), "1800000", ""),
    key("limits.recall_per_workspace", Kind::Number(0, 1_000_000_000), "7200000", ""),
    key("limits.review_per_agent", Kind::Number(0, 1_000_000_000), "6000", ""),
    key("limits.review_per_credential", Kind::Number(0, 1_000_000_000), "6000", ""),
    key("limits.review_per_workspace", Kind::Number(0, 1_000_000_000), "24000", ""),
    key("limits.submit_per_agent", Kind::Number(0, 1_000_000_000), "60000", ""),
    key("limits.submit_per_credential", Kind::Number(0, 1_000_000_000), "300000", ""),
    key("limits.submit_per_workspace", Kind::Number(0, 1_000_000_000), "1200000", ""),
    key("log.format", Kind::Word(&["text", "json"]), "text", "log"),
    key("log.level", Kind::Word(&["error", "warn", "info", "debug"]), "warn", "log-level"),
    key("server.admin", Kind::Address, "127.0.0.1:7879", "admin"),
    key("server.behind_tls_proxy", Kind::Switch, "false", "behind-tls-proxy"),
    key("server.body_bytes", Kind::Number(1024, 1 << 30), "16777216", "body-bytes"),
    key("server.connections", Kind::Number(1, 1_000_000), "1024", "connections"),
    key("server.in_flight", Kind::Number(1, 100_000), "4096", ""),
    key("server.listen", Kind::Address, "127.0.0.1:7878", "listen"),
    key("server.ready_file", Kind::Path, "", "ready-file"),
    key("server.tls_cert", Kind::Path, "", "tls-cert"),
    key("server.tls_key", Kind::Path, "", "tls-key"),
    key("stores.policy", Kind::Path, "", "policy"),
    key("stores.reviewers", Kind::List, "owner", "reviewer"),
    key("webhooks.allow", Kind::List, "", "webhook-allow"),
    key("webhooks.trust", Kind::Path, "", "webhook-trust"),
];

const WEBHOOK_KEYS: &[&str] = &["events", "name", "secret", "url", "workspace"];
const SCHEDULE_KEYS: &[&str] =
    &["churn", "cron", "idle_minutes", "instructions", "jitter_minutes", "sessions", "store", "update_existing"];

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing is set.
    None,
    /// A text, an address or a path.
    Text(String),
    /// True or false.
    Switch(bool),
    /// A number.
    Number(u64),
    /// A list.
    List(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "(not set)"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::List(all) => write!(f, "{all:?}"),
        }
    }
}

/// Where a value comes from; a later one is stronger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Built in.
    Default,
    /// The file: line and column.
    File(usize, usize),
    /// A variable.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "built-in"),
            Self::File(line, column) => write!(f, "{SERVER_FILE}:{line}:{column}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// Where a secret is. The text itself is never in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In a variable.
    Environment(String),
    /// In a file.
    File(PathBuf),
}

impl SecretRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// Refused when there is none.
    pub fn read(&self) -> Result<String, ConfigError> {
        let text = match self {
            Self::Environment(name) => std::env::var(name).ok(),
            Self::File(path) => fs::read_to_string(path).ok(),
        };
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        text.ok_or_else(|| ConfigError::Secret { place: self.to_string() })
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "{{ env = {name:?} }}"),
            Self::File(path) => write!(f, "{{ file = {:?} }}", path.to_string_lossy()),
        }
    }
}

/// A `[[webhook]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEntry {
    /// What people call it.
    pub name: String,
    /// Where events go.
    pub url: String,
    /// Which.
    pub events: Vec<String>,
    /// Whose.
    pub workspace: Option<String>,
    /// Where its secret is.
    pub secret: SecretRef,
    /// Line and column.
    pub source: Source,
}

/// A `[[schedule]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleEntry {
    /// The memory store.
    pub store: String,
    /// The rest as JSON members, as the API takes them.
    pub rules: BTreeMap<String, serde_json::Value>,
    /// Line and column.
    pub source: Source,
}

/// Everything a server is told, checked, with the origin of every value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    values: BTreeMap<&'static str, (Value, Source)>,
    /// Endpoints of the file.
    pub webhooks: Vec<WebhookEntry>,
    /// Schedules of the file.
    pub schedules: Vec<ScheduleEntry>,
}

impl ServerConfig {
    /// Reads the folder's file, the environment and the flags.
    ///
    /// # Errors
    /// Refused with every problem and its position; unavailable when the file cannot be read.
    pub fn load(folder: &Path, flags: &[(&'static str, Value)]) -> Result<Self, ConfigError> {
        let path = folder.join(SERVER_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        // A name or value that is no text is nobody's setting of ours.
        let variables = std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        Self::resolve(folder, text.as_deref(), variables, flags)
    }

    /// The same from given texts.
    ///
    /// # Errors
    /// Refused with every problem and its position.
    pub fn resolve(
        folder: &Path,
        text: Option<&str>,
        variables: impl Iterator<Item = (String, String)>,
        flags: &[(&'static str, Value)],
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let built_in = |key: &Key| (key.name, (parsed(key, key.default).unwrap_or(Value::None), Source::Default));
        let mut config =
            Self { values: KEYS.iter().map(built_in).collect(), webhooks: Vec::new(), schedules: Vec::new() };
        if let Some(text) = text {
            let file = File { folder, text };
            match DeTable::parse(text) {
                Ok(table) => file.sections(table.get_ref(), &mut config, &mut problems),
                // The parser's own report quotes the line, and a line may hold a secret.
                Err(error) => problems.push(format!("{}: {}", file.at(error.span()), error.message())),
            }
        }
        let mut named: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        named.sort();
        for (name, value) in named {
            let Some(dotted) = name.strip_prefix(PREFIX).filter(|rest| rest.contains("__")) else { continue };
            let dotted = dotted.to_ascii_lowercase().replacen("__", ".", 1);
            match KEYS.iter().find(|key| key.name == dotted) {
                None => problems.push(format!("environment {name}: no such key{}", suggestion(&dotted))),
                Some(key) => match parsed(key, &value) {
                    Ok(value) => config.set(key.name, value, Source::Environment(name)),
                    Err(wanted) => problems.push(format!("environment {name}: {wanted}")),
                },
            }
        }
        for (name, value) in flags {
            if let Some(key) = KEYS.iter().find(|key| key.flag == *name) {
                match checked(key, value.clone()) {
                    Ok(value) => config.set(key.name, value, Source::Flag(key.flag)),
                    Err(wanted) => problems.push(format!("flag --{name}: {wanted}")),
                }
            }
        }
        if (config.value("server.tls_cert") == &Value::None) != (config.value("server.tls_key") == &Value::None) {
            problems.push("server.tls_cert and server.tls_key: both or neither".to_owned());
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Server { problems }) }
    }

    fn set(&mut self, name: &'static str, value: Value, source: Source) {
        self.values.insert(name, (value, source));
    }

    /// Keys with their values and origins.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value, &Source)> {
        self.values.iter().map(|(name, (value, source))| (*name, value, source))
    }

    fn value(&self, name: &str) -> &Value {
        self.values.get(name).map_or(&Value::None, |(value, _)| value)
    }
    /// A text that may be missing.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    /// A path that may be missing.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }
    /// A number; 0 for what is none.
    pub fn number(&self, name: &str) -> usize {
        match self.value(name) {
            Value::Number(number) => usize::try_from(*number).unwrap_or(usize::MAX),
            _ => 0,
        }
    }
    /// A switch.
    pub fn switch(&self, name: &str) -> bool {
        self.value(name) == &Value::Switch(true)
    }
    /// A list.
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Value::List(all) => all,
            _ => &[],
        }
    }
}

/// A text as the value of a key. The error says what is wanted, never what was there.
fn parsed(key: &Key, text: &str) -> Result<Value, String> {
    let text = text.trim();
    let value = match key.kind {
        Kind::List if text.is_empty() => Value::List(Vec::new()),
        Kind::List => Value::List(text.split(',').map(|one| one.trim().to_owned()).collect()),
        _ if text.is_empty() => return Ok(Value::None),
        Kind::Address | Kind::Path | Kind::Word(_) => Value::Text(text.to_owned()),
        Kind::Switch => match text {
            "true" | "1" => Value::Switch(true),
            "false" | "0" => Value::Switch(false),
            _ => return Err("true or false".to_owned()),
        },
        Kind::Number(..) => Value::Number(text.parse().map_err(|_| "a whole number".to_owned())?),
    };
    checked(key, value)
}

/// A value of the right type, within the bounds of its key.
fn checked(key: &Key, value: Value) -> Result<Value, String> {
    match (key.kind, &value) {
        (Kind::Address, Value::Text(text)) => {
            // An address of the socket, not a name: what is bound must not depend on a name server.
            let (ip, port) = text.rsplit_once(':').unwrap_or((text, ""));
            let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
            let plain = !ip.is_empty() && ip.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.' || b == b':');
            if plain && port.parse::<u16>().is_ok() {
                Ok(value)
            } else {
                Err("an address such as 127.0.0.1:7878".to_owned())
            }
        }
        (Kind::Path, Value::Text(_)) | (Kind::Switch, Value::Switch(_)) => Ok(value),
        (Kind::Number(least, most), Value::Number(number)) => {
            if (least..=most).contains(number) {
                Ok(value)
            } else {
                Err(format!("a number from {least} to {most}"))
            }
        }
        (Kind::Word(words), Value::Text(text)) => {
            if words.contains(&text.as_str()) {
                Ok(value)
            } else {
                Err(format!("one of {}", words.join(", ")))
            }
        }
        (Kind::List, Value::List(all)) => {
            if all.iter().all(|one| !one.is_empty()) {
                Ok(value)
            } else {
                Err("a list without empty texts".to_owned())
            }
        }
        (Kind::Address | Kind::Path | Kind::Word(_), _) => Err("a text".to_owned()),
        (Kind::Switch, _) => Err("true or false".to_owned()),
        (Kind::Number(..), _) => Err("a whole number".to_owned()),
        (Kind::List, _) => Err("a list of texts".to_owned()),
    }
}

fn suggestion(name: &str) -> String {
    let near = KEYS.iter().map(|key| (distance(key.name, name), key.name)).min();
    near.filter(|(far, _)| *far <= 3).map_or_else(String::new, |(_, near)| format!("; did you mean {near}?"))
}

/// Edits from one name to another.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row.last().copied().unwrap_or(0)
}

struct File<'t> {
    folder: &'t Path,
    text: &'t str,
}

type Table<'t> = DeTable<'t>;

impl File<'_> {
    fn place(&self, offset: usize) -> Source {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        Source::File(before.matches('\n').count() + 1, before[line..].chars().count() + 1)
    }
    fn at(&self, span: Option<std::ops::Range<usize>>) -> Source {
        self.place(span.map_or(0, |span| span.start))
    }

    fn sections(&self, table: &Table<'_>, config: &mut ServerConfig, problems: &mut Vec<String>) {
        for (name, value) in table {
            let place = self.place(name.span().start);
            let section = name.get_ref().as_ref();
            match (section, value.get_ref()) {
                ("webhook", DeValue::Array(all)) => {
                    for (number, one) in all.iter().enumerate() {
                        let at = self.place(one.span().start);
                        match self.webhook(one, at.clone()) {
                            Ok(entry) => config.webhooks.push(entry),
                            Err(problem) => problems.push(format!("{at}: webhook {}: {problem}", number + 1)),
                        }
                    }
                }
                ("schedule", DeValue::Array(all)) => {
                    for (number, one) in all.iter().enumerate() {
                        let at = self.place(one.span().start);
                        match self.schedule(one, at.clone()) {
                            Ok(entry) => config.schedules.push(entry),
                            Err(problem) => problems.push(format!("{at}: schedule {}: {problem}", number + 1)),
                        }
                    }
                }
                ("webhook" | "schedule", _) => problems.push(format!("{place}: {section}: write [[{section}]]")),
                (_, DeValue::Table(inner)) => self.section(section, inner, config, problems),
                _ => problems.push(format!("{place}: no such key: {}", section.escape_debug())),
            }
        }
    }

    fn section(&self, section: &str, table: &Table<'_>, config: &mut ServerConfig, problems: &mut Vec<String>) {
        for (name, value) in table {
            let dotted = format!("{section}.{}", name.get_ref());
            let place = self.place(name.span().start);
            let Some(key) = KEYS.iter().find(|key| key.name == dotted) else {
                problems.push(format!("{place}: no such key: {}{}", dotted.escape_debug(), suggestion(&dotted)));
                continue;
            };
            let value = match value.get_ref() {
                DeValue::String(text) if key.kind == Kind::Path && !text.is_empty() => {
                    Value::Text(self.folder.join(text.as_ref()).to_string_lossy().into_owned())
                }
                DeValue::String(text) => Value::Text(text.as_ref().to_owned()),
                DeValue::Boolean(on) => Value::Switch(*on),
                DeValue::Integer(number) => {
                    u64::from_str_radix(number.as_str(), number.radix()).map_or(Value::None, Value::Number)
                }
                DeValue::Array(all) => texts(all.iter()).map_or(Value::None, Value::List),
                _ => Value::None,
            };
            match checked(key, value) {
                Ok(value) => config.set(key.name, value, place),
                Err(wanted) => problems.push(format!("{place}: {}: {wanted}", key.name)),
            }
        }
    }

    fn webhook(&self, value: &Spanned<DeValue<'_>>, source: Source) -> Result<WebhookEntry, String> {
        let table = members(value, WEBHOOK_KEYS)?;
        let text = |name: &str| table.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let need = |name: &str| text(name).ok_or_else(|| format!("{name}: a text is needed"));
        let events = match table.get("events") {
            None => vec!["*".to_owned()],
            Some(all) => all.as_array().and_then(|all| texts(all.iter())).ok_or("events: a list of texts")?,
        };
        let wanted = "secret: write { env = \"VARIABLE\" } or { file = \"PATH\" }; the secret itself stands elsewhere";
        let secret = table.get("secret").and_then(|value| value.as_table()).ok_or(wanted)?;
        let secret =
            match secret.iter().map(|(k, v)| (k.get_ref().as_ref(), v.get_ref().as_str())).collect::<Vec<_>>()[..] {
                [("env", Some(name))] => SecretRef::Environment(name.to_owned()),
                [("file", Some(path))] => SecretRef::File(self.folder.join(path)),
                _ => return Err(wanted.to_owned()),
            };
        Ok(WebhookEntry {
            name: need("name")?,
            url: need("url")?,
            events,
            workspace: text("workspace"),
            secret,
            source,
        })
    }

    fn schedule(&self, value: &Spanned<DeValue<'_>>, source: Source) -> Result<ScheduleEntry, String> {
        let table = members(value, SCHEDULE_KEYS)?;
        let mut rules = BTreeMap::new();
        for (name, value) in &table {
            let value = match value {
                DeValue::String(text) => serde_json::Value::from(text.as_ref()),
                DeValue::Boolean(on) => serde_json::Value::from(*on),
                DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
                    .map(serde_json::Value::from)
                    .map_err(|_| format!("{name}: a whole number"))?,
                _ => return Err(format!("{name}: a text, a number or true or false")),
            };
            rules.insert((*name).to_owned(), value);
        }
        let store = rules.remove("store").and_then(|store| store.as_str().map(str::to_owned));
        Ok(ScheduleEntry { store: store.ok_or("store: the id of a memory store is needed")?, rules, source })
    }
}

/// The members of a table, all of them known.
fn members<'v, 't>(
    value: &'v Spanned<DeValue<'t>>,
    known: &[&'static str],
) -> Result<BTreeMap<&'static str, &'v DeValue<'t>>, String> {
    let table = value.get_ref().as_table().ok_or("a table is needed")?;
    let one = |(name, value): (&Spanned<std::borrow::Cow<'t, str>>, &'v Spanned<DeValue<'t>>)| {
        let found = known.iter().find(|known| **known == name.get_ref().as_ref());
        let found = found
            .ok_or_else(|| format!("no such key: {}; there are {}", name.get_ref().escape_debug(), known.join(", ")))?;
        Ok((*found, value.get_ref()))
    };
    table.iter().map(one).collect()
}

fn texts<'v, 't: 'v>(all: impl Iterator<Item = &'v Spanned<DeValue<'t>>>) -> Option<Vec<String>> {
    all.map(|one| one.get_ref().as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        text: &str,
        variables: &[(&str, &str)],
        flags: &[(&'static str, Value)],
    ) -> Result<ServerConfig, Vec<String>> {
        let variables = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        match ServerConfig::resolve(Path::new("/srv/m"), Some(text), variables, flags) {
            Ok(config) => Ok(config),
            Err(ConfigError::Server { problems }) => Err(problems),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn later_ones_win_and_every_value_knows_its_origin() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\nconnections = 5\nbody_bytes = 0x1_000\n";
        let variables = [("MEMGATE_SERVER__CONNECTIONS", "6"), ("MEMGATE_DATA", "/x"), ("HOME", "/y")];
        let config = resolve(text, &variables, &[("listen", Value::Text("127.0.0.1:2".to_owned()))]).unwrap();
        let source = |name: &str| config.values().find(|(key, ..)| *key == name).unwrap().2.to_string();
        assert_eq!(
            (config.text("server.listen"), source("server.listen").as_str()),
            (Some("127.0.0.1:2"), "flag --listen")
        );
        assert_eq!(config.number("server.connections"), 6);
        assert_eq!(source("server.connections"), "environment MEMGATE_SERVER__CONNECTIONS");
        assert_eq!(
            (config.number("server.body_bytes"), source("server.body_bytes").as_str()),
            (4096, "server.toml:4:1")
        );
        assert_eq!((config.text("log.level"), source("log.level").as_str()), (Some("warn"), "built-in"));
        assert_eq!(config.list("stores.reviewers"), ["owner"]);
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place_and_without_its_text() {
        for (text, says) in [
            ("[server]\nlisen = \"x\"", "server.toml:2:1: no such key: server.lisen; did you mean server.listen?"),
            ("[server]\nlisten = \"hooks.example:80\"", "server.toml:2:1: server.listen: an address"),
            ("listen = 1", "server.toml:1:1: no such key: listen"),
            ("[log]\nlevel = \"loud\"", "server.toml:2:1: log.level: one of error, warn, info, debug"),
            ("[server]\nconnections = 0", "server.connections: a number from 1"),
            ("[server]\nconnections = -1", "server.connections: a whole number"),
            ("[server]\nbehind_tls_proxy = \"yes\"", "server.behind_tls_proxy: true or false"),
            ("[stores]\nreviewers = [1]", "stores.reviewers: a list of texts"),
            ("[server]\ntls_cert = \"c.pem\"", "both or neither"),
            ("[server\n", "server.toml:1:"),
            ("[a]\nb = 1\n[a]\n", "server.toml:3:"),
            ("webhook = 1", "write [[webhook]]"),
            ("[[webhook]]\nname = \"a\"\nurl = \"https://h.example\"\nsecret = \"whsec_EXAMPLE\"", "stands elsewhere"),
            ("[[webhook]]\nname = \"a\"\nurl = \"https://h.example\"\nsecrets = 1", "no such key: secrets"),
            ("[[schedule]]\ncron = \"* * * * *\"", "schedule 1: store"),
        ] {
            let problems = resolve(text, &[], &[]).unwrap_err().join("\n");
            assert!(problems.contains(says), "{text}: {problems}");
            assert!(!problems.contains("EXAMPLE"), "{problems}");
        }
        let problems = resolve("", &[("MEMGATE_SERVER__PORT", "1"), ("MEMGATE_LOG__LEVEL", "x")], &[]).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn paths_of_the_file_start_at_its_folder() {
        let text = "[stores]\npolicy = \"p.toml\"\n[[webhook]]\nname = \"a\"\nurl = \"https://h.example\"\nsecret = { file = \"s\" }\n";
        let config = resolve(text, &[], &[]).unwrap();
        assert_eq!(config.path("stores.policy"), Some(PathBuf::from("/srv/m/p.toml")));
        assert_eq!(config.webhooks[0].secret, SecretRef::File("/srv/m/s".into()));
        assert_eq!(config.webhooks[0].events, ["*"]);
    }

    #[test]
    fn keys_are_sorted_and_their_built_in_values_check() {
        assert!(KEYS.is_sorted_by_key(|key| key.name));
        for key in KEYS {
            assert!(parsed(key, key.default).is_ok(), "{}", key.name);
        }
    }
}
