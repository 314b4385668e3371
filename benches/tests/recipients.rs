//! How often memory is asked for when a recipient of ours is taken, which is most of what a server decides.

use postroom_benches::policy;
use relay_policy::Class;
use relay_policy::address::{Address, RewriteContext, Way};
use relay_policy::table::Answers;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_recipient_is_taken_with_little_memory() {
    let ((policy, router), request) = (policy::default_lists(), policy::request());
    let recipient = policy::recipient();
    let address = recipient.mailbox().map(Address::from).unwrap();

    let rewriting = &policy.routing().rewriting;
    let (is_same, completing) = measure(|| {
        let complete = rewriting.rewrite_internal(&address, RewriteContext::Local);
        *complete == address && *complete.external() == *address.as_str()
    });
    assert!(is_same && completing.allocations == 0, "{completing:?}");

    let (resolution, resolving) =
        measure(|| policy.routing().resolve(&address, &Address::default(), &Answers::default()).unwrap());
    assert_eq!(resolution.class, Class::Local);
    // The address, the transport and its next hop.
    assert!(resolving.allocations <= 3, "{resolving:?}");

    let (decided, deciding) = measure(|| policy::decide_and_ask(&policy, &request, &recipient));
    assert_eq!((&decided.0.refusal, decided.0.resolution.as_deref()), (&None, Some(&resolution)));
    assert!(deciding.allocations <= 80, "{deciding:?}");

    let (routed, routing) = measure(|| policy::route(&router, &request, &recipient, decided));
    let [to] = &routed.recipients[..] else { panic!("{routed:?}") };
    assert_eq!((&to.address, &to.way), (&address, &Way::Mailbox(address.clone())));
    assert!(routing.allocations <= 20, "{routing:?}");
}
