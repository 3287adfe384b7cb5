//! Credentials: known shapes, private keys, connection strings, assignments.
//!
//! A hit's span is the value alone, so that a mask leaves the sentence readable. The value is
//! never copied anywhere. Shapes are public facts of their issuers.

use std::sync::OnceLock;

use crate::detect::engine::{Probe, Target};
use crate::domain::{Confidence, Span};
use crate::ruleset::Pattern;

/// One shape of a credential. Group `v` of the pattern is the value.
pub(in crate::detect) struct Shape {
    /// What it is, our own constant words.
    pub(in crate::detect) name: &'static str,
    keywords: &'static [&'static str],
    pattern: &'static str,
    check: Check,
}

enum Check {
    /// The shape says it all.
    None,
    /// The last six characters are a base62 CRC-32 of what stands between prefix and checksum.
    Crc,
    /// The last eight characters are the CRC-32 of what stands before the underscore, in hex.
    HexCrc,
    /// The random part is base32: digits 0, 1, 8 and 9 do not occur.
    Base32,
    /// At least this many bits of entropy a character, in hundredths.
    Entropy(u32),
    /// A JSON Web Token: its head is JSON.
    Jwt,
    /// A value in an assignment: no placeholder, no plain word.
    Value,
}

/// All shapes. Keywords are folded; patterns run on the text as it is.
pub(in crate::detect) const SHAPES: &[Shape] = &[
    Shape {
        name: "AWS access key id",
        keywords: &["akia", "asia", "aroa", "aida", "abia", "acca", "anpa", "aipa", "agpa"],
        pattern: r"\b(?P<v>(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA|ANPA|AIPA|AGPA)[A-Z0-9]{16})\b",
        check: Check::Base32,
    },
    Shape {
        name: "AWS secret key",
        keywords: &["aws_secret", "secret_access_key", "secretaccesskey", "secret access key", "aws secret"],
        pattern: r#"(?i)(?:aws_?secret|secret_?\s?access_?\s?key|aws secret)[^\n]{0,30}?[\s:='"`](?P<v>[A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        check: Check::Entropy(350),
    },
    Shape {
        name: "GitHub token",
        keywords: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        pattern: r"\b(?P<v>gh[pousr]_[A-Za-z0-9]{36,255})\b",
        check: Check::Crc,
    },
    Shape {
        name: "GitHub fine-grained token",
        keywords: &["github_pat_"],
        pattern: r"\b(?P<v>github_pat_[A-Za-z0-9_]{22,255})\b",
        check: Check::None,
    },
    Shape {
        name: "GitLab token",
        keywords: &["glpat-", "gldt-", "glrt-", "glptt-"],
        pattern: r"\b(?P<v>gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_.-]{20,})",
        check: Check::None,
    },
    Shape {
        name: "Anthropic key",
        keywords: &["sk-ant-"],
        pattern: r"\b(?P<v>sk-ant-[A-Za-z0-9_-]{16,})",
        check: Check::None,
    },
    Shape {
        name: "API key",
        keywords: &["sk-"],
        pattern: r"\b(?P<v>sk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_-]{20,})",
        check: Check::Entropy(280),
    },
    Shape {
        name: "Google API key",
        keywords: &["aiza"],
        pattern: r"\b(?P<v>AIza[A-Za-z0-9_-]{35})",
        check: Check::None,
    },
    Shape {
        name: "Google OAuth token",
        keywords: &["ya29."],
        pattern: r"\b(?P<v>ya29\.[A-Za-z0-9_-]{20,})",
        check: Check::None,
    },
    Shape {
        name: "Slack token",
        keywords: &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"],
        pattern: r"\b(?P<v>(?:xox[bpars]|xapp)-[A-Za-z0-9-]{10,})",
        check: Check::None,
    },
    Shape {
        name: "Slack webhook",
        keywords: &["hooks.slack.com/services/"],
        pattern: r"(?P<v>hooks\.slack\.com/services/T[A-Za-z0-9_]+/B[A-Za-z0-9_]+/[A-Za-z0-9_]{8,})",
        check: Check::None,
    },
    Shape {
        name: "Stripe key",
        keywords: &["sk_live_", "rk_live_", "sk_test_", "whsec_"],
        pattern: r"\b(?P<v>(?:(?:sk|rk)_(?:live|test)|whsec)_[A-Za-z0-9]{16,})",
        check: Check::None,
    },
    Shape { name: "npm token", keywords: &["npm_"], pattern: r"\b(?P<v>npm_[A-Za-z0-9]{36})\b", check: Check::Crc },
    Shape {
        name: "PyPI token",
        keywords: &["pypi-"],
        pattern: r"\b(?P<v>pypi-[A-Za-z0-9_-]{50,})",
        check: Check::None,
    },
    Shape {
        name: "Hugging Face token",
        keywords: &["hf_"],
        pattern: r"\b(?P<v>hf_[A-Za-z0-9]{30,})\b",
        check: Check::None,
    },
    Shape {
        name: "SendGrid key",
        keywords: &["sg."],
        pattern: r"\b(?P<v>SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64})",
        check: Check::None,
    },
    Shape {
        name: "DigitalOcean token",
        keywords: &["dop_v1_", "doo_v1_", "dor_v1_"],
        pattern: r"\b(?P<v>do[opr]_v1_[a-f0-9]{64})\b",
        check: Check::None,
    },
    Shape {
        name: "Twilio key",
        keywords: &["twilio"],
        pattern: r"(?i)twilio[^\n]{0,40}?\b(?P<v>(?:SK|AC)?[0-9a-f]{32})\b",
        check: Check::Entropy(300),
    },
    Shape {
        name: "Telegram bot token",
        keywords: &[":aa"],
        pattern: r"\b(?P<v>\d{8,10}:AA[A-Za-z0-9_-]{33})\b",
        check: Check::None,
    },
    Shape {
        name: "Azure storage key",
        keywords: &["accountkey=", "sharedaccesskey="],
        pattern: r"(?i)(?:AccountKey|SharedAccessKey)=(?P<v>[A-Za-z0-9+/]{40,}={0,2})",
        check: Check::None,
    },
    Shape {
        name: "age secret key",
        keywords: &["age-secret-key-1"],
        pattern: r"(?P<v>AGE-SECRET-KEY-1[A-Z0-9]{40,})",
        check: Check::None,
    },
    Shape {
        name: "Google client secret",
        keywords: &["gocspx-"],
        pattern: r"\b(?P<v>GOCSPX-[A-Za-z0-9_-]{24,})",
        check: Check::None,
    },
    Shape {
        name: "Grafana token",
        keywords: &["glsa_"],
        pattern: r"\b(?P<v>glsa_[A-Za-z0-9]{32}_[a-f0-9]{8})\b",
        check: Check::HexCrc,
    },
    Shape {
        name: "Azure client secret",
        keywords: &["8q~"],
        pattern: r"(?:^|[^A-Za-z0-9_~.-])(?P<v>[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34})(?:[^A-Za-z0-9_~.-]|$)",
        check: Check::Entropy(350),
    },
    Shape {
        name: "Vault token",
        keywords: &["hvs.", "hvb.", "hvr."],
        pattern: r"\b(?P<v>hv[sbr]\.[A-Za-z0-9_-]{24,})",
        check: Check::Entropy(350),
    },
    Shape {
        name: "Atlassian token",
        keywords: &["atatt3", "atctt3"],
        pattern: r"\b(?P<v>AT[AC]TT3[A-Za-z0-9_=-]{40,})",
        check: Check::None,
    },
    Shape {
        name: "Databricks token",
        keywords: &["dapi"],
        pattern: r"\b(?P<v>dapi[a-f0-9]{32}(?:-\d)?)\b",
        check: Check::Entropy(280),
    },
    Shape {
        name: "Shopify token",
        keywords: &["shpat_", "shpss_", "shpca_", "shppa_"],
        pattern: r"\b(?P<v>shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32})\b",
        check: Check::Entropy(280),
    },
    Shape {
        name: "Square token",
        keywords: &["sq0atp-", "sq0csp-", "eaaa"],
        pattern: r"\b(?P<v>sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60})",
        check: Check::None,
    },
    Shape {
        name: "Mailgun key",
        keywords: &["mailgun", "key-"],
        pattern: r"\b(?P<v>key-[a-f0-9]{32})\b",
        check: Check::Entropy(280),
    },
    Shape {
        name: "Mailchimp key",
        keywords: &["-us"],
        pattern: r"\b(?P<v>[a-f0-9]{32}-us\d{1,2})\b",
        check: Check::Entropy(280),
    },
    Shape {
        name: "Discord token",
        keywords: &["discord"],
        pattern: r"(?i)discord[^\n]{0,40}?\b(?P<v>[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38})",
        check: Check::Entropy(350),
    },
    Shape {
        name: "service token",
        keywords: &[
            "lin_api_",
            "ntn_",
            "sntrys_",
            "sntryu_",
            "pul-",
            "pmak-",
            "nrak-",
            "figd_",
            "sbp_",
            "gsk_",
            "xai-",
            "pplx-",
            "r8_",
            "dckr_pat_",
            "rubygems_",
            "akcp",
            "xkeysib-",
            "dp.pt.",
            "dp.st.",
            "tskey-",
            "fo1_",
            "nfp_",
            "rnd_",
            "cfut_",
            "cio",
            "oy2",
            "eyjr",
            "hrku-",
            "wx_",
            "sgp_",
            "lsv2_",
            "phc_",
            "phx_",
            "sk_org_",
            "tfp_",
            "jina_",
            "nvapi-",
            "fw_",
            "ops_ey",
            "pscale_",
            "prefect_",
            "glc_ey",
        ],
        pattern: r"\b(?P<v>(?:lin_api_[A-Za-z0-9]{32,}|ntn_[A-Za-z0-9]{40,}|sntry[su]_[A-Za-z0-9_=+/-]{40,}|pul-[a-f0-9]{40}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|NRAK-[A-Z0-9]{27}|figd_[A-Za-z0-9_-]{36,}|sbp_[a-f0-9]{40}|gsk_[A-Za-z0-9]{48,}|xai-[A-Za-z0-9]{60,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{36,}|dckr_pat_[A-Za-z0-9_-]{26,}|rubygems_[a-f0-9]{48}|AKCp[A-Za-z0-9]{60,}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|dp\.[ps]t\.[A-Za-z0-9.]{40,}|tskey-[a-z]+-[A-Za-z0-9]{10,}-[A-Za-z0-9]{16,}|fo1_[A-Za-z0-9_-]{40,}|nfp_[A-Za-z0-9]{36,}|rnd_[A-Za-z0-9]{28,}|cio[A-Za-z0-9]{32}|oy2[a-z0-9]{43}|HRKU-[A-Za-z0-9_-]{36,}|sgp_[a-f0-9_]{40,}|lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|ph[cx]_[A-Za-z0-9]{40,}|jina_[a-f0-9]{32}[A-Za-z0-9_-]{20,}|nvapi-[A-Za-z0-9_-]{60,}|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,}))(?:[^A-Za-z0-9_]|$)",
        check: Check::Entropy(300),
    },
    Shape {
        name: "Alibaba access key",
        keywords: &["ltai"],
        pattern: r"\b(?P<v>LTAI[A-Za-z0-9]{17,21})\b",
        check: Check::Entropy(300),
    },
    Shape {
        name: "Facebook token",
        keywords: &["eaacedeose0cba", "eaag"],
        pattern: r"\b(?P<v>(?:EAACEdEose0cBA|EAAG)[A-Za-z0-9]{60,})",
        check: Check::Entropy(350),
    },
    Shape {
        name: "JSON Web Token",
        keywords: &["eyj"],
        pattern: r"\b(?P<v>eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,})",
        check: Check::Jwt,
    },
    Shape {
        name: "private key",
        keywords: &["private key-----", "private key block-----"],
        pattern: r"(?s)(?P<v>-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\z))",
        check: Check::None,
    },
    Shape {
        name: "password in a connection string",
        keywords: &["://"],
        pattern: r#"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@"'<>]{0,80}:(?P<v>[^\s/@"'<>]{3,200})@[a-z0-9\[]"#,
        check: Check::Value,
    },
    Shape {
        name: "bearer token",
        keywords: &["bearer", "authorization"],
        pattern: r#"(?i)\b(?:bearer|authorization:\s*(?:basic|token))\s+(?P<v>[A-Za-z0-9._~+/-]{16,}=*)"#,
        check: Check::Entropy(300),
    },
    Shape {
        name: "password",
        keywords: &[
            "password",
            "passwd",
            "passphrase",
            "pwd",
            "contraseña",
            "passwort",
            "mot de passe",
            "пароль",
            "密码",
            "parola",
            "senha",
        ],
        pattern: r#"(?i)(?:password|passwd|passphrase|\bpwd|contraseña|passwort|mot de passe|пароль|密码|parola|senha)\w{0,12}["'`*]{0,3}(?:\s+(?:for|to|of|on)\s+[^\n:=]{1,40}?)?\s*(?:=>|:=|[:=]|\bis\b|\bwas\b|：)\s*["'`*]{0,3}(?P<v>[^\s"'`,;]{4,120})"#,
        check: Check::Value,
    },
    Shape {
        name: "secret or token",
        keywords: &[
            "secret",
            "token",
            "api_key",
            "apikey",
            "api key",
            "api-key",
            "access_key",
            "auth_key",
            "private_key",
            "credential",
        ],
        pattern: r#"(?i)(?:secret|token|api[_\s-]?key|access[_-]key|auth[_-]key|private[_-]key|credentials?)\w{0,12}["'`*]{0,3}(?:\s+(?:for|to|of|on)\s+[^\n:=]{1,40}?)?\s*(?:=>|:=|[:=]|\bis\b|：)\s*["'`*]{0,3}(?P<v>[^\s"'`,;]{8,300})"#,
        check: Check::Value,
    },
];

/// Probes and keywords of all shapes.
pub(in crate::detect) fn probes() -> Vec<(Probe, Vec<String>)> {
    patterns()
        .iter()
        .enumerate()
        .map(|(i, pattern)| {
            let probe = Probe::new(Target::Shape(i), pattern.clone(), true, false);
            (probe, SHAPES[i].keywords.iter().map(|k| (*k).to_owned()).collect())
        })
        .collect()
}

fn patterns() -> &'static [Pattern] {
    static PATTERNS: OnceLock<Vec<Pattern>> = OnceLock::new();
    PATTERNS.get_or_init(|| SHAPES.iter().map(|s| Pattern::proven(s.pattern)).collect())
}

/// The value's span within a match of shape `number`, with how sure it is. `None` when the
/// value is a placeholder or fails its check.
pub(in crate::detect) fn confirm(number: usize, text: &str, hit: Span) -> Option<(Span, Confidence)> {
    let shape = SHAPES.get(number)?;
    let captures = patterns().get(number)?.regex()?.captures_at(text, hit.start)?;
    let value = captures.name("v")?;
    let mut span = Span::new(value.start(), value.end());
    let mut confidence = Confidence::High;
    match shape.check {
        Check::None => {}
        Check::Crc => {
            if !crc_holds(value.as_str()) {
                confidence = Confidence::Medium;
            }
        }
        Check::HexCrc => {
            if !hex_crc_holds(value.as_str()) {
                confidence = Confidence::Medium;
            }
        }
        Check::Base32 => {
            let random = value.as_str().bytes().skip(4);
            if random.clone().any(|b| matches!(b, b'0' | b'1' | b'8' | b'9'))
                || !random.clone().any(|b| b.is_ascii_digit())
            {
                confidence = Confidence::Medium;
            }
        }
        Check::Entropy(hundredths) => {
            if entropy_hundredths(value.as_str()) < hundredths || is_placeholder(value.as_str()) {
                return None;
            }
        }
        Check::Jwt => {
            let head = value.as_str().split('.').next().unwrap_or_default();
            let json = data_encoding::BASE64URL_NOPAD.decode(head.as_bytes()).ok();
            let algorithm = json.is_some_and(|j| j.starts_with(b"{\"") && j.windows(5).any(|w| w == b"\"alg\""));
            if !algorithm {
                confidence = Confidence::Medium;
            }
        }
        Check::Value => {
            let trimmed = value.as_str().trim_end_matches(['.', ')', ']', '}', '*', '!', '?', ':', '>']);
            span.end = span.start + trimmed.len();
            if !looks_secret(trimmed) {
                return None;
            }
            confidence = Confidence::Medium;
        }
    }
    Some((span, confidence))
}

/// Masks, templates and names of places instead of values.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    value.starts_with(['<', '{', '[', '$', '%', '*', '(', '/', '\\', '-', '_'])
        || [
            "redacted",
            "removed",
            "masked",
            "placeholder",
            "xxxx",
            "****",
            "....",
            "your_",
            "your-",
            "changeme",
            "process.env",
            "os.environ",
            "getenv",
            "env.",
            "vault:",
            "secret://",
            "op://",
            "arn:",
        ]
        .iter()
        .any(|p| lower.contains(p))
        || lower.starts_with("http") && lower.contains("://")
}

/// A value that nobody would write as prose.
fn looks_secret(value: &str) -> bool {
    let len = value.chars().count();
    if len < 6 || is_placeholder(value) {
        return false;
    }
    let digits = value.chars().any(char::is_numeric);
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    let upper_inside = value.chars().skip(1).any(char::is_uppercase) && value.chars().any(char::is_lowercase);
    let symbols = value
        .chars()
        .filter(|c| matches!(c, '!' | '@' | '#' | '$' | '%' | '^' | '&' | '*' | '+' | '=' | '~' | '?' | '|'))
        .count();
    // Code: calls, members, paths, types.
    if value.contains("()")
        || value.contains("::")
        || value.ends_with('(')
        || (value.contains('(') && value.contains('.'))
    {
        return false;
    }
    if value.contains('/') && !digits {
        return false;
    }
    let classes = usize::from(digits) + usize::from(letters > 0) + usize::from(upper_inside) + usize::from(symbols > 0);
    (digits && letters > 0 && entropy_hundredths(value) >= 200)
        || (symbols > 0 && letters >= 4 && classes >= 2)
        || (len >= 16 && classes >= 2 && entropy_hundredths(value) >= 330)
}

/// Shannon entropy of the characters, hundredths of a bit each.
fn entropy_hundredths(value: &str) -> u32 {
    let mut counts = std::collections::BTreeMap::new();
    let mut total = 0_u32;
    for c in value.chars() {
        *counts.entry(c).or_insert(0_u32) += 1;
        total += 1;
    }
    let bits: f64 = counts
        .values()
        .map(|n| {
            let p = f64::from(*n) / f64::from(total.max(1));
            -p * libm::log2(p)
        })
        .sum();
    (bits * 100.0) as u32
}

/// GitHub and npm tokens end in a base62 CRC-32 of their random part.
fn crc_holds(token: &str) -> bool {
    let Some((_, body)) = token.split_once('_') else { return false };
    let Some(at) = body.len().checked_sub(6) else { return false };
    let (random, sum) = body.split_at(at);
    let mut value = 0_u64;
    for byte in sum.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return false,
        };
        value = value * 62 + u64::from(digit);
    }
    value == u64::from(crc32(random.as_bytes()))
}

/// Grafana tokens end in an underscore and the CRC-32 of what stands before it, in hex.
fn hex_crc_holds(token: &str) -> bool {
    let Some((body, sum)) = token.rsplit_once('_') else { return false };
    u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == crc32(body.as_bytes()))
}

/// CRC-32 as in ISO 3309, bit by bit: a token is short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_compiles() {
        let names = |p: &Pattern| p.regex().unwrap().capture_names().flatten().any(|n| n == "v");
        assert!(patterns().iter().all(names));
    }

    #[test]
    fn crc32_matches_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn placeholders_and_prose_are_no_secrets() {
        for value in [
            "<password>",
            "${DB_PASS}",
            "required",
            "stored",
            "[redacted:aws]",
            "process.env.KEY",
            "changeme123",
            "rotated",
        ] {
            assert!(!looks_secret(value), "{value}");
        }
        for value in ["EXAMPLEpw9x", "hunter2EXAMPLE", "c0rrect-h0rse"] {
            assert!(looks_secret(value), "{value}");
        }
    }
}
