//! Proves that `explain` shows the plan in every form, without running the query, and that its
//! mistakes are those of `query`.

mod support;

use serde_json::json;

use support::run;

/// Enough documents for the index to be worth using.
fn begin() -> String {
    let insert = |n: u32| format!("insert {{\"k\": {}, \"n\": {n}}}\n", n % 40);
    let inserts: String = (0..160).map(insert).collect();
    format!("create c [\"k\"] shards=2\nuse c\n{inserts}")
}

#[test]
fn the_plan_is_a_tree_of_text() {
    let script = format!(
        "{}explain 'lambda d: d[\"k\"] == 1 and d[\"n\"] > 2' sort 'lambda d: d[\"n\"]' desc \
         skip 1 limit 3\nexplain lambda d: d[\"n\"] > 2\n",
        begin()
    );
    let ran = run(&["-o", "simple"], script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let expected = "\
first 3
└─ skip 1
   └─ merge by lambda d: d[\"n\"], largest first
      └─ shards 0, 1
         └─ first 4
            └─ sort by lambda d: d['n'], largest first
               └─ filter lambda d: d['k'] == 1 and d['n'] > 2
                  └─ index k where k == 1
merge by _id
└─ shards 0, 1
   └─ filter lambda d: d['n'] > 2
      └─ scan of all documents; 'index create n' would help
";
    let told: String = ran.out.split_inclusive('\n').skip(162).collect();
    assert_eq!(told, expected);
}

#[test]
fn programs_find_the_steps_by_name() {
    let script = begin() + "explain lambda d: d.get(\"k\") in (1, 2)\n";
    let ran = run(&["-o", "json"], script);
    let plan = &ran.objects()[162]["plan"];
    assert_eq!((&plan["step"], &plan["by"]), (&json!("merge"), &json!("_id")), "{plan}");
    let shards = &plan["inputs"][0];
    assert_eq!((&shards["step"], &shards["shards"]), (&json!("shards"), &json!([0, 1])), "{plan}");
    let filter = &shards["inputs"][0];
    assert_eq!(filter["lambda"], "lambda d: d.get('k') in (1, 2)", "{plan}");
    assert_eq!(filter["inputs"][0]["index"], "k", "{plan}");
}

#[test]
fn mistakes_are_those_of_a_query() {
    let script = begin() + "explain lambda d: d[\"k\n";
    let ran = run(&["-o", "simple"], script);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains('^'), "{}", ran.err);
    assert_eq!(run(&["explain"], "").code, 2);
    assert_eq!(run(&["-d", "nobody", "explain", "lambda d: True"], "").code, 3);
}

#[test]
fn analyzing_runs_the_query_and_counts() {
    let script = begin() + "explain analyze 'lambda d: d[\"k\"] == 1' sort 'lambda d: d[\"n\"]'\n";
    let ran = run(&["-o", "json"], script);
    let plan = &ran.objects()[162]["plan"];
    let shards = plan["inputs"].as_array().expect("a branch for each shard");
    let (mut results, mut read) = (0, 0);
    for shard in shards {
        let analyzed = &shard["inputs"][0];
        assert_eq!(analyzed["step"], "analyzed", "{plan}");
        assert!(analyzed["micros"].as_u64().is_some(), "{plan}");
        let mut step = analyzed;
        while let Some(input) = step["inputs"].get(0) {
            step = input;
        }
        let number = |name: &str| step[name].as_u64().unwrap_or_else(|| panic!("{name}: {plan}"));
        results += number("results");
        read += number("documents_read");
    }
    assert_eq!((results, read), (4, 4), "{plan}");
}
