//! Many calls, and calls that take long.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::{
    Modules,
    component::{Program, RESULT},
    passing,
};
use crate::support::{get, status};

const MIB: u64 = 1024 * 1024;

#[tokio::test]
async fn a_module_that_computes_for_long_holds_up_nobody_else() {
    let modules = Modules::new().await;
    let forever = Program::on_request("(loop $again (br $again)) (i32.const 1024)");
    // The one worker has both, and nothing else ends the loop before it times out.
    let more = json!({"fuel": 10_000_000_000_u64, "timeoutMs": 3_000});
    modules.behind("slow", &forever, more).await;
    modules.serve("other", json!([])).await.expect("it can be served");
    let slow = get(&modules.gateway, "/slow");
    let others = async {
        for _ in 0..20 {
            assert_eq!(status(&get(&modules.gateway, "/other").await), 200);
        }
    };
    tokio::pin!(slow, others);
    tokio::select! {
        answer = &mut slow => panic!("the module ended first: {answer}"),
        () = &mut others => {}
    }
    assert_eq!(status(&slow.await), 503);
}

#[tokio::test]
async fn many_calls_that_compute_for_long_hold_up_nobody_else() {
    let modules = Modules::new().await;
    let forever = Program::on_request("(loop $again (br $again)) (i32.const 1024)");
    let more = json!({"fuel": 10_000_000_000_u64, "timeoutMs": 10_000, "memoryMib": 1});
    modules.behind("slow", &forever, more).await;
    modules.serve("other", json!([])).await.expect("it can be served");
    let slow = join_all((0..64).map(|_| get(&modules.gateway, "/slow")));
    let others = async {
        // Until all of them compute.
        while !modules
            .gateway
            .metrics_text()
            .contains("policy_module_calls_total{module=\"slow\"} 64\n")
        {
            tokio::task::yield_now().await;
        }
        for _ in 0..40 {
            assert_eq!(status(&get(&modules.gateway, "/other").await), 200);
        }
    };
    tokio::select! {
        _ = slow => panic!("the modules ended first"),
        () = others => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_a_memory_of_its_own_and_waits_until_there_is_some() {
    // Room for four at a time.
    let modules = Arc::new(Modules::with_memory(64 * MIB).await);
    // A second call of the same instance would break down.
    let once = Program::on_request(format!(
        "(if (global.get $called) (then unreachable)) (global.set $called (i32.const 1))
         (drop (memory.grow (i32.const 200)))
         (memory.fill (i32.const 65536) (i32.const 7) (i32.const 12000000))
         {RESULT}"
    ))
    .with("(global $called (mut i32) (i32.const 0))");
    modules.behind("shop", &once, json!({"memoryMib": 16})).await;
    let one = || async {
        let answer = get(&modules.gateway, "/shop").await;
        status(&answer)
    };
    let answered = join_all((0..64).map(|_| one())).await;
    assert!(answered.iter().all(|status| *status == 200), "{answered:?}");
}

#[tokio::test]
async fn no_module_may_take_more_than_all_may_take_together() {
    let modules = Modules::with_memory(8 * MIB).await;
    let policy = modules.policy("shop", &passing());
    let error = modules
        .serve("shop", json!([policy]))
        .await
        .expect_err("too large");
    assert!(
        error
            .to_string()
            .contains("`memoryMib` is 16, and all modules together may take 8 MiB"),
        "{error}"
    );
}
