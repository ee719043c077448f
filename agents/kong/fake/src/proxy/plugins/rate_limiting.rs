//! `rate-limiting`: so many requests in a second, a minute and so on, counted in windows of the calendar.
//!
//! Headers are those that Kong 3.9.3 was recorded with; windows are those of `kong/plugins/rate-limiting`, in UTC.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use time::{Month, OffsetDateTime};

use super::{Plugin, or_default};
use crate::configuration::Entity;
use crate::proxy::answer::{Answer, set, text};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;

/// Settings of `rate-limiting`.
#[derive(Debug, Deserialize)]
pub(super) struct RateLimiting {
    second: Option<f64>,
    minute: Option<f64>,
    hour: Option<f64>,
    day: Option<f64>,
    month: Option<f64>,
    year: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    limit_by: String,
    header_name: Option<String>,
    path: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    hide_client_headers: bool,
    error_code: Option<u16>,
    error_message: Option<String>,
    /// The service and the route that the plugin belongs to, which share a counter.
    #[serde(skip)]
    scope: String,
}

/// Reads the settings together with the scope that is counted for.
pub(super) fn compile(plugin: &Entity) -> serde_json::Result<Arc<dyn Plugin>> {
    let config = plugin.get("config").cloned().unwrap_or_default();
    let mut limiting: RateLimiting = serde_json::from_value(config)?;
    let scope = |name| super::reference(plugin, name).unwrap_or("all").to_owned();
    limiting.scope = format!("{}:{}", scope("route"), scope("service"));
    Ok(Arc::new(limiting))
}

/// One limit and how much of it is used.
#[derive(Debug, Clone, Copy)]
struct Window {
    name: &'static str,
    limit: f64,
    /// Since the epoch, in seconds.
    start: i64,
    length: i64,
    remaining: f64,
}

impl Plugin for RateLimiting {
    fn access(&self, exchange: &mut Exchange, memory: &Memory) -> ControlFlow<Answer> {
        let now = exchange
            .now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
            .cast_signed();
        let key = |window: &Window| {
            format!(
                "{}:{}:{}:{}",
                self.scope,
                self.identifier(exchange),
                window.name,
                window.start
            )
        };
        let mut windows = self.windows(exchange.now);
        for window in &mut windows {
            window.remaining = window.limit - memory.counted(&key(window)) as f64;
        }
        let exceeded = windows.iter().any(|window| window.remaining <= 0.0);
        if !exceeded {
            for window in &mut windows {
                memory.count(&key(window));
                window.remaining -= 1.0;
            }
        }
        let reset = self.tell(exchange, &windows, now);
        if !exceeded {
            return ControlFlow::Continue(());
        }
        let message = self.error_message.as_deref().unwrap_or("API rate limit exceeded");
        let answer = Answer::error(self.error_code.unwrap_or(429), message, &exchange.request_id);
        ControlFlow::Break(answer.with("retry-after", &reset.to_string()))
    }
}

impl RateLimiting {
    fn windows(&self, now: SystemTime) -> Vec<Window> {
        let start = |length: i64| {
            let now = now
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
                .cast_signed();
            now - now % length
        };
        let (month, year) = calendar_starts(now);
        let all = [
            ("Second", self.second, start(1), 1),
            ("Minute", self.minute, start(60), 60),
            ("Hour", self.hour, start(3_600), 3_600),
            ("Day", self.day, start(86_400), 86_400),
            ("Month", self.month, month, 2_592_000),
            ("Year", self.year, year, 31_536_000),
        ];
        let limited = all
            .into_iter()
            .filter_map(|(name, limit, start, length)| Some((name, limit?, start, length)));
        limited
            .map(|(name, limit, start, length)| Window {
                name,
                limit,
                start,
                length,
                remaining: limit,
            })
            .collect()
    }

    /// Puts the headers on the answer; the seconds until the tightest window ends.
    fn tell(&self, exchange: &mut Exchange, windows: &[Window], now: i64) -> i64 {
        let tightest = windows
            .iter()
            .min_by(|a, b| a.remaining.total_cmp(&b.remaining).then(b.length.cmp(&a.length)));
        let Some(tightest) = tightest else { return 0 };
        let reset = (tightest.length - (now - tightest.start)).max(1);
        if self.hide_client_headers {
            return reset;
        }
        let headers = &mut exchange.answer_headers;
        for window in windows {
            set(
                headers,
                &format!("x-ratelimit-limit-{}", window.name.to_lowercase()),
                &window.limit.to_string(),
            );
            set(
                headers,
                &format!("x-ratelimit-remaining-{}", window.name.to_lowercase()),
                &window.left(),
            );
        }
        set(headers, "ratelimit-limit", &tightest.limit.to_string());
        set(headers, "ratelimit-remaining", &tightest.left());
        set(headers, "ratelimit-reset", &reset.to_string());
        reset
    }

    /// Who is counted; the address of the client where there is nobody else.
    fn identifier(&self, exchange: &Exchange) -> String {
        let named = match self.limit_by.as_str() {
            "consumer" => Exchange::id(exchange.consumer.as_ref()).map(str::to_owned),
            "credential" => exchange.credential.clone(),
            "service" => Exchange::id(exchange.service.as_ref()).map(str::to_owned),
            "header" => self
                .header_name
                .as_ref()
                .and_then(|name| text(&exchange.asked_headers, name))
                .map(str::to_owned),
            "path" => self.path.clone().filter(|path| *path == exchange.path),
            _ => None,
        };
        named.unwrap_or_else(|| exchange.peer.ip().to_string())
    }
}

impl Window {
    fn left(&self) -> String {
        self.remaining.max(0.0).to_string()
    }
}

/// When this month and this year began.
fn calendar_starts(now: SystemTime) -> (i64, i64) {
    let today = OffsetDateTime::from(now).date();
    let first = today.replace_day(1).unwrap_or(today);
    let january = first.replace_month(Month::January).unwrap_or(first);
    (
        first.midnight().assume_utc().unix_timestamp(),
        january.midnight().assume_utc().unix_timestamp(),
    )
}
