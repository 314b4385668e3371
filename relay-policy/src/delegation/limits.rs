//! What is configured of asking a policy service.

use crate::parameters::{self, Parameters};
use crate::question::PolicyService;
use std::time::Duration;

/// How a policy service is asked: its own options, and the common parameters `smtpd_policy_service_*` for those it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServiceLimits {
    /// The longest that one attempt to ask may take, connecting included (`timeout`).
    pub timeout: Duration,
    /// How often it is tried until it has failed (`try_limit`); at least once.
    pub tries_max: usize,
    /// The pause before it is tried again (`retry_delay`).
    pub retry_delay: Duration,
    /// After which a connection that is not used is closed (`max_idle`).
    pub idle_max: Duration,
    /// After which a connection is closed though it is used (`max_ttl`).
    pub age_max: Duration,
    /// How many questions one connection is for; 0: any number (`request_limit`).
    pub requests_max: usize,
}

impl ServiceLimits {
    /// The options of a service over the common ones.
    pub fn new(common: &Parameters, service: &PolicyService) -> Self {
        let option = |name: &str| {
            let mut options = service.options.iter().rev();
            options.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        // What is wrong has been said where the list was read.
        let time = |name, common| option(name).and_then(parameters::time).unwrap_or(common);
        let number = |name, common| option(name).and_then(|value| value.parse().ok()).unwrap_or(common);
        Self {
            timeout: time("timeout", common.smtpd_policy_service_timeout),
            tries_max: number("try_limit", common.smtpd_policy_service_try_limit).max(1),
            retry_delay: time("retry_delay", common.smtpd_policy_service_retry_delay),
            idle_max: time("max_idle", common.smtpd_policy_service_max_idle),
            age_max: time("max_ttl", common.smtpd_policy_service_max_ttl),
            requests_max: number("request_limit", common.smtpd_policy_service_request_limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_own_or_the_common_ones() {
        let mut common = Parameters::default();
        let service = |options: &[(&str, &str)]| PolicyService {
            server: "unix:policy".into(),
            options: options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        let limits = ServiceLimits::new(&common, &service(&[]));
        assert_eq!((limits.timeout, limits.tries_max), (Duration::from_secs(100), 2));
        assert_eq!((limits.retry_delay, limits.requests_max), (Duration::from_secs(1), 0));
        assert_eq!((limits.idle_max, limits.age_max), (Duration::from_secs(300), Duration::from_secs(1000)));
        common.set("smtpd_policy_service_timeout", "2m").unwrap();
        common.set("smtpd_policy_service_try_limit", "5").unwrap();
        let own = [("max_idle", "1h"), ("try_limit", "0"), ("request_limit", "7"), ("max_ttl", "9")];
        let limits = ServiceLimits::new(&common, &service(&own));
        assert_eq!((limits.timeout, limits.tries_max), (Duration::from_secs(120), 1));
        assert_eq!((limits.idle_max, limits.age_max), (Duration::from_secs(3600), Duration::from_secs(9)));
        assert_eq!(limits.requests_max, 7);
    }
}
