//! Who says what is to be done where a list has `check_policy_service`.

use crate::clock::Clock;
use crate::memory::Memory;
use crate::policy_service::PolicyServices;
use crate::wall::Later;
use proto_core::Backend;
use relay_policy::delegation::{Attributes, ServiceLimits};
use relay_policy::{Answer, PolicyService, greylist};
use std::fmt;
use std::sync::Arc;

/// Policy services, as far as they are asked.
pub(crate) trait Services: Send + Sync + fmt::Debug {
    /// What a service wants to be done, or that it could not be asked; why not is in the log.
    fn ask<'a>(
        &'a self,
        service: &'a PolicyService,
        limits: ServiceLimits,
        attributes: &'a Attributes,
    ) -> Later<'a, Answer>;
}

/// Those of a server: others' over their sockets, and `greylist:` here.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) services: PolicyServices,
    pub(crate) memory: Arc<Memory>,
    pub(crate) clock: Clock,
}

impl Services for Asked {
    fn ask<'a>(
        &'a self,
        service: &'a PolicyService,
        limits: ServiceLimits,
        attributes: &'a Attributes,
    ) -> Later<'a, Answer> {
        Box::pin(async move {
            if service.server == greylist::SERVICE {
                let now = self.clock.now().utc;
                return Answer::Action(self.memory.greylisted(attributes, now).into());
            }
            match self.services.ask(service, &limits, attributes).await {
                Ok(action) => Answer::Action(action),
                Err(error) => {
                    tracing::warn!(server = service.server, %error, "no answer from a policy service");
                    Answer::Failed(Backend::TEMPORARY)
                }
            }
        })
    }
}
