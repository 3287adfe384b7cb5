//! Word lists of the gate, English first. Lower case; sorted where searched.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Function words and fillers that carry no statement of their own.
const FILLER: &str = "
    a an the that which is are am be being do does currently basically actually really simply just also please
    very quite of 's there presently indeed essentially generally as well
";

/// Words that turn a statement into its opposite.
const NEGATORS: &str = "
    not no never none nobody nothing without neither nor cannot lacks lack refuses avoid avoids except unless
    instead stop stopped stops former formerly deprecated obsolete removed deleted retired fails fail failed
    rather hardly
";

/// Words that change how strong, how often, how sure or under which condition something holds.
const GUARDED: &str = "
    must should may might can could shall will would ought always usually sometimes often rarely seldom
    occasionally maybe perhaps probably possibly apparently reportedly allegedly supposedly likely unlikely think
    thinks believe believes guess assume assumes said says claims claimed all every each any some most many few
    several both either only half more less fewer least greater lower higher larger smaller above below over under
    before after than if when while during until till since from to in on at for with by into onto between per
    within against about via but or except was were had has have did been used once twice daily weekly monthly
    yearly hourly temporarily permanently optional mandatory required first last next previous new old newest
    oldest latest default i me my mine we us our you your he him his she her they them their it its this these
    those who whose owner reviewer author maintainer approver admin administrator lead manager client server
    staging production prod development dev test testing qa sandbox canary preview local remote yesterday today
    tomorrow now monday tuesday wednesday thursday friday saturday sunday january february march april june july
    august september october november december jan feb mar apr jun jul aug sep sept oct nov dec spring summer
    autumn winter morning evening noon midnight weekend second seconds minute minutes hour hours day days week
    weeks month months quarter quarters year years ms kb mb gb tb kib mib gib dollar dollars euro euros percent
    python rust java javascript typescript go golang ruby swift kotlin postgres postgresql mysql sqlite redis
    kafka docker kubernetes npm yarn pnpm cargo pip git svn
";

const NUMBER_WORDS: &str = "
    zero/0 one/1 two/2 three/3 four/4 five/5 six/6 seven/7 eight/8 nine/9 ten/10 eleven/11 twelve/12 thirteen/13
    fourteen/14 fifteen/15 sixteen/16 seventeen/17 eighteen/18 nineteen/19 twenty/20 thirty/30 forty/40 fifty/50
    sixty/60 seventy/70 eighty/80 ninety/90 hundred/100 thousand/1000 million/1000000
";

/// Opposites. Both sides are stems-in-waiting: compared after synonym folding.
const ANTONYMS: &str = "
    enable/disable enabled/disabled allow/deny allowed/denied permit/forbid allowed/forbidden allow/block
    allowed/blocked accept/reject accepts/rejects open/closed public/private internal/external sync/async
    synchronous/asynchronous increase/decrease increases/decreases rise/fall start/stop starts/stops on/off
    true/false yes/no up/down active/inactive safe/unsafe secure/insecure valid/invalid like/dislike
    likes/dislikes love/hate loves/hates fast/slow large/small big/small light/dark hot/cold warm/cold early/late
    success/failure pass/fail passes/fails include/exclude includes/excludes included/excluded add/remove
    adds/removes mandatory/optional required/optional required/forbidden encrypted/unencrypted online/offline
    stable/unstable ascending/descending manual/automatic manually/automatically temporary/permanent
    trusted/untrusted signed/unsigned read/write input/output upload/download left/right top/bottom
    minimum/maximum min/max push/pull import/export single/married happy/unhappy alive/dead tabs/spaces
    always/never before/after more/less with/without above/below cheap/expensive strong/weak easy/hard full/empty
    strict/lenient visible/hidden eager/lazy mutable/immutable healthy/unhealthy lowercase/uppercase
    succeeds/fails succeed/fail keeps/drops keep/drop first/last higher/lower buy/sell win/lose won/lost
    mute/unmute lock/unlock locked/unlocked blocking/non-blocking vertical/horizontal primary/secondary
    opt-in/opt-out allowlist/blocklist relative/absolute shallow/deep
";

/// Words that may stand for each other. The first of a group is its name.
const SYNONYMS: &str = "
    use/uses/using/utilize/utilizes/utilise/utilises/employ/employs run/runs/running/execute/executes
    start/starts/begin/begins/commence/commences finish/finishes/complete/completes need/needs/require/requires
    buy/buys/purchase/purchases help/helps/assist/assists show/shows/display/displays fix/fixes/repair/repairs
    remove/removes/delete/deletes keep/keeps/retain/retains choose/chooses/select/selects/pick/picks
    allow/allows/permit/permits forbid/forbids/prohibit/prohibits documentation/docs/doc configuration/config
    repository/repo/repositories/repos database/db/databases/dbs application/app/applications/apps production/prod
    development/dev enjoy/enjoys/like/likes live/lives/reside/resides movie/movies/film/films mother/mom/mum
    father/dad photo/photos/picture/pictures/photograph/photographs color/colors/colour/colours favorite/favourite
    big/large small/little fast/quick/rapid quickly/rapidly store/stores/save/saves own/owns/possess/possesses
    contain/contains/hold/holds every/each car/automobile child/children/kid/kids test/tests maintain/maintains
    send/sends/transmit/transmits get/gets/obtain/obtains listen/listens administrator/admin environment/env
    maximum/max minimum/min parameter/param/parameters/params argument/arg/arguments/args
    directory/folder/directories/folders mobile/cellphone holiday/vacation job/occupation often/frequently
    occasionally/sometimes roughly/approximately verify/verifies write/writes handle/handles/process/processes
    speak/speaks postgres/postgresql kubernetes/k8s golang/go
";

/// Phrases folded before tokens are compared.
pub(super) const PHRASES: &[(&str, &str)] = &[
    (" makes use of ", " uses "),
    (" relies on ", " uses "),
    (" is using ", " uses "),
    (" are using ", " use "),
    (" in order to ", " to "),
    (" is able to ", " can "),
    (" are able to ", " can "),
    (" has to ", " must "),
    (" have to ", " must "),
    (" at the moment ", " "),
    (" as of now ", " "),
    (" right now ", " "),
    (" a lot of ", " many "),
    (" lots of ", " many "),
    (" prior to ", " before "),
    (" is located in ", " is in "),
    (" is based in ", " is in "),
    (" each and every ", " every "),
    (" due to the fact that ", " because "),
    (" because of ", " because "),
    (" is required to ", " must "),
    (" are required to ", " must "),
    (" is fond of ", " likes "),
    (" no longer ", " not now "),
    (" is running on ", " runs on "),
    (" is listening on ", " listens on "),
];

const FUNCTIONAL_WORDS: &str = "
    port version branch timeout owner limit url host hostname region interval size deadline timezone colour color
    name email phone address birthday age status threshold retries ttl quota budget password database lead manager
    license employer title language editor framework salary height weight endpoint retention encoding replicas
    location city country theme mode indent width job occupation count date cuisine director captain number window
    schedule frequency price rate capacity
";

/// Things that guard an action; counts of them are compared across wordings (threat T13).
pub(super) const SAFEGUARDS: &[&str] =
    &["approval", "review", "reviewer", "approver", "signature", "confirmation", "signer"];

const AMBIGUOUS_CASE_WORDS: &str = "
    go rust swift us it apple may march polish turkey windows word excel chrome amazon who aids java python ruby
    dart julia scala crystal elm react spring django flask node express vault consul nomad slack linear notion
    teams outlook edge safari mercury mark bill will rose grace hope jack nick art frank ant make maven gradle
    puppet chef salt snowflake oracle spark flink beam mint arch path home user shell lang term editor display
    port host debug tmp temp ci china japan jordan chad cat ram sad pin aid ally august
";

const FOREIGN_WORDS: &str = "
    der die das und nicht ist ein eine für mit auf von wird le la les des est une pas dans pour avec el los las
    una por para con es del il di che è per non sono het een niet van voor na nie jest się uma não em och att som
    inte är у на не и в
";

const EVENT_VERBS_WORDS: &str = "
    merged fixed deployed released shipped met visited ran attended bought finished completed started joined left
    closed opened reported discussed decided reviewed created added updated upgraded migrated went called broke
    crashed happened occurred measured benchmarked took watched flew travelled traveled received sent rolled
    reverted investigated resolved incident outage postmortem saw had celebrated found learned tested published
    held presented signed cancelled canceled failed renewed
";

const STRENGTH_WORDS: &str = "
    must should may might always usually sometimes often rarely seldom all every any some most few daily weekly
    monthly yearly hourly monday tuesday wednesday thursday friday saturday sunday january february march april
    june july august september october november december once twice first last more less optional mandatory
    required before after above below temporarily permanently
";

const VERBS_WORDS: &str = "
    is are was were has have had must should may might can could will would use uses used run runs ran live lives
    own owns require requires need needs prefer prefers like likes love loves enjoy enjoys listen listens want
    wants work works keep keeps expire expires read reads write writes send sends get gets start starts stop stops
    allow allows take takes play plays deploy deploys store stores belong belongs report reports go goes connect
    connects call calls retry retries rotate rotates host hosts serve serves accept accepts cost costs depend
    depends time drive drives speak speaks visit visits set sets contain contains do does did never always support
    supports return returns log logs open opens close closes points point build builds train trains drink drinks
    eat eats maintain maintains review reviews approve approves track tracks ship ships back backs sync syncs
    scale scales cache caches publish publishes
";

const GOVERNED_WORDS: &str = "
    must always never should shall ensure forbidden mandatory allowed permitted authorized authorised approval
    approvals approve approved approver admin administrator sudo root bypass skip ignore disable password token
    secret credential credentials review reviews reviewer reviewers send forward upload webhook policy signature
    confirmation sign-off
";

/// What the gate must know of one lower-case word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Filler,
    Negator,
    Guarded,
    Number(&'static str),
    Other,
}

type Words = LazyLock<HashSet<&'static str>>;

/// Attributes that hold one value at a time; matched on the last word of an attribute.
pub(super) static FUNCTIONAL: Words = LazyLock::new(|| FUNCTIONAL_WORDS.split_whitespace().collect());
/// Words whose lower-case form means something else.
pub(super) static AMBIGUOUS_CASE: Words = LazyLock::new(|| AMBIGUOUS_CASE_WORDS.split_whitespace().collect());
/// Function words of other languages: such text gets tier 0 only.
pub(super) static FOREIGN: Words = LazyLock::new(|| FOREIGN_WORDS.split_whitespace().collect());
/// Verbs of past events: such notes report what happened once and never update each other.
pub(super) static EVENT_VERBS: Words = LazyLock::new(|| EVENT_VERBS_WORDS.split_whitespace().collect());
/// Words whose change contradicts.
pub(super) static STRENGTH: Words = LazyLock::new(|| STRENGTH_WORDS.split_whitespace().collect());
/// Words after which the subject is over.
pub(super) static VERBS: Words = LazyLock::new(|| VERBS_WORDS.split_whitespace().collect());
/// Words of orders, rights, secrets and destinations.
pub(super) static GOVERNED: Words = LazyLock::new(|| GOVERNED_WORDS.split_whitespace().collect());

static SORTS: LazyLock<HashMap<&'static str, Sort>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    map.extend(FILLER.split_whitespace().map(|word| (word, Sort::Filler)));
    map.extend(GUARDED.split_whitespace().map(|word| (word, Sort::Guarded)));
    map.extend(NEGATORS.split_whitespace().map(|word| (word, Sort::Negator)));
    map.extend(pairs(NUMBER_WORDS).map(|(word, value)| (word, Sort::Number(value))));
    map
});

static GROUPS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    for group in SYNONYMS.split_whitespace() {
        let name = group.split('/').next().unwrap_or(group);
        map.extend(group.split('/').map(|word| (word, name)));
    }
    map
});

static OPPOSITES: LazyLock<HashSet<(&'static str, &'static str)>> = LazyLock::new(|| {
    let group = |word: &'static str| GROUPS.get(word).copied().unwrap_or(word);
    pairs(ANTONYMS)
        .flat_map(|(left, right)| [(left, right), (group(left), group(right))])
        .flat_map(|(left, right)| [(left, right), (right, left)])
        .collect()
});

static OPPOSED: Words = LazyLock::new(|| pairs(ANTONYMS).flat_map(|(left, right)| [left, right]).collect());

fn pairs(list: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    list.split_whitespace().filter_map(|pair| pair.split_once('/'))
}

pub(super) fn sort(word: &str) -> Sort {
    SORTS.get(word).copied().unwrap_or(Sort::Other)
}

/// The name of the word's group, or the word.
pub(super) fn synonym(word: &str) -> &str {
    GROUPS.get(word).copied().unwrap_or(word)
}

pub(super) fn are_opposite(left: &str, right: &str) -> bool {
    OPPOSITES.contains(&(left, right)) || OPPOSITES.contains(&(synonym(left), synonym(right)))
}

/// True when some other word is the word's opposite.
pub(super) fn has_opposite(word: &str) -> bool {
    OPPOSED.contains(word)
}
