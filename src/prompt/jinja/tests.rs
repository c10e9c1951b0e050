//! The language, what it costs at most, and how messages are adapted. Whole templates of models are among the goldens.

use std::time::{Duration, Instant};

use super::*;

const MESSAGES: &str = r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi <b>&"}]"#;

/// Messages that are the same for every template, whether it knows system messages or not.
const PLAIN: &str = r#"[{"role":"user","content":"Be brief."},{"role":"user","content":"Hi <b>&"}]"#;

fn options() -> RenderOptions<'static> {
    RenderOptions { bos: "<s>", eos: "</s>", add_generation_prompt: true, ..RenderOptions::default() }
}

fn rendered(template: &str) -> Result<String, PromptError> {
    render(template, PLAIN, &options())
}

/// Expressions and what Python's Jinja prints for them.
#[test]
fn expressions_are_pythons() {
    for (expression, want) in [
        ("1 + 2 * 3 - 4 / 2", "5.0"),
        ("7 // 2, -7 // 2, 7 // -2, -7 % 3, 7 % -3", "(3, -4, -4, 2, -2)"),
        ("2 ** 3 ** 2, -2 ** 2, 2 * 3 ** 2, -[1][0]", "(64, 4, 18, -1)"),
        ("1e3, 1.5, 2.0", "(1000.0, 1.5, 2.0)"),
        ("'a' ~ 1 ~ none ~ true", "a1True"),
        ("'a' 'b' + 'c' * 3", "abccc"),
        ("1 < 2 < 3, 1 < 3 < 2", "(True, False)"),
        ("not 1 == 2 and 'x' in 'xy'", "True"),
        ("3 not in [1, 2], 'a' in {'a': 1}", "(True, True)"),
        ("1 if false else 2 if false else 3", "3"),
        ("(1 if false) is undefined", "True"),
        // Templates forget to ask, and tools come without a type.
        ("nothing.x['y'].z is undefined", "True"),
        ("{'a': 1}[nothing] is undefined", "True"),
        ("[] or {} or 'x', 0 and 1", "('x', 0)"),
        ("[1, 2, 3, 4][1:3], [1, 2, 3][::-1], 'abc'[-2:], 'é🦙c'[1]", "([2, 3], [3, 2, 1], 'bc', '🦙')"),
        ("{'a': {'b': [1, none]}, 2: 'x'}", "{'a': {'b': [1, None]}, 2: 'x'}"),
        ("{'a': 1}.b is defined, {'a': 1}['a']", "(False, 1)"),
        ("1 is odd, 4 is divisibleby 2, 'a' is string and 1.0 is float", "(True, True, True)"),
        ("1 is number, true is boolean, {} is mapping, none is none, [] is sequence", "(True, True, True, True, True)"),
        ("'tojson' is filter, 'nope' is filter, 'x' is in ['x']", "(True, False, True)"),
        ("'%s-%d %.2f%%' % ('a', 2, 1.005)", "a-2 1.00%"),
        ("'{} {1} {n:>3}|{:.1f}'.format('a', 2, n=7)", "a 2   7|2.0"),
        ("messages[1].content", "Hi <b>&"),
        ("messages|map(attribute='role')|join(',')", "user,user"),
        ("messages|selectattr('content', 'equalto', 'Be brief.')|list|length", "1"),
        ("messages|rejectattr('content', 'in', ['Hi'])|map(attribute='content')|first", "Be brief."),
        (
            "[3, 1, 2]|sort|join, [1, 2, 2]|unique|list, ['b', 'A', 'a', 'B']|sort",
            "('123', [1, 2], ['A', 'B', 'a', 'b'])",
        ),
        ("{'b': 1, 'a': 2, 'C': 3}|dictsort", "[('C', 3), ('a', 2), ('b', 1)]"),
        ("none", ""),
        ("'a' ~ none ~ 'b' ~ nothing", "ab"),
        ("[1, 2, 3]|batch(2)|list, [1, 2]|sum, [1, 5, 2]|max, [4, 2]|min", "([[1, 2], [3]], 3, 5, 2)"),
        ("' a '|trim, 'aB'|upper, 'a b'|title, 'abc'|replace('b', 'x')", "('a', 'AB', 'A B', 'axc')"),
        ("nothing|default('x'), ''|default('y', true), 'z'|d('w')", "('x', 'y', 'z')"),
        ("'12'|int, 'x'|int(7), '1.5'|float, 2.5|round, 1.26|round(1), -3|abs", "(12, 7, 1.5, 2.0, 1.3, 3)"),
        ("'a\nb'|indent(2), 'a'|indent(2, true)", "('a\n  b', '  a')"),
        ("' a-b '.strip().split('-')[-1].upper()", "B"),
        (
            "'a b  c'.split(), 'a,b,c'.split(',', 1), 'a,b,c'.rsplit(',', 1)",
            "(['a', 'b', 'c'], ['a', 'b,c'], ['a,b', 'c'])",
        ),
        ("'abc'.find('c'), 'abc'.find('x'), 'aXbX'.replace('X', '', 1), 'x'.isdigit()", "(2, -1, 'abX', False)"),
        ("'<think>a'.startswith('<think>'), 'ab'.endswith(('x', 'b')), 'xxa'.lstrip('x')", "(True, True, 'a')"),
        ("', '.join(['a', 'b']), 'a\nb\n'.splitlines()", "('a, b', ['a', 'b'])"),
        ("{'a': 1}.get('b', 2), {'a': 1}.get('b'), {'a': 1}.items()|list", "(2, None, [('a', 1)])"),
        ("{'b': 1}.keys()|list, {'b': 1}.values()|list, dict(a=1)", "(['b'], [1], {'a': 1})"),
        ("range(3)|list, range(1, 8, 3)|list, range(3, 0, -1)|list", "([0, 1, 2], [1, 4, 7], [3, 2, 1])"),
        ("[{'k': 2}, {'k': 1}, {'k': 2}]|groupby('k')|map('first')|list", "[1, 2]"),
        ("'{\"a\": [1]}'|from_json", "{'a': [1]}"),
        ("'a<b'|e, 'x'|string, 5|string + '!'", "('a&lt;b', 'x', '5!')"),
        ("{'a': 1, 'b': [true, none, 'é']}|tojson", r#"{"a": 1, "b": [true, null, "é"]}"#),
        (
            "{'b': 1, 'a': 'é'}|tojson(separators=(',', ':'), sort_keys=True, ensure_ascii=True)",
            r#"{"a":"\u00e9","b":1}"#,
        ),
        ("[1, {}]|tojson(indent=2)", "[\n  1,\n  {}\n]"),
        ("'x' + nothing, nothing|length, none|string", "('x', 0, 'None')"),
        ("bos_token ~ eos_token ~ add_generation_prompt", "<s></s>True"),
        ("strftime_now('%Y')|length, tools is defined", "(4, False)"),
    ] {
        assert_eq!(rendered(&format!("{{{{ {expression} }}}}")).as_deref(), Ok(want), "{expression}");
    }
}

#[test]
fn statements_do_what_jinjas_do() {
    for (template, want) in [
        ("a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc"),
        ("{% if 0 %}a{% elif 1 %}b{% else %}c{% endif %}", "b"),
        ("{% for m in messages[1:] %}{{ m.role }}{% else %}none{% endfor %}", "user"),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        (
            "{% for i in range(9) if i is odd %}{{ loop.index }}{{ i }}{{ loop.last }} {% endfor %}",
            "11False 23False 35False 47True ",
        ),
        (
            "{% for a, b in [(1, 2), (3, 4)] %}{{ loop.previtem }}{{ a + b }}{{ loop.nextitem }};{% endfor %}",
            "3(3, 4);(1, 2)7;",
        ),
        (
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "02",
        ),
        ("{% for i in 'ab' %}{{ loop.cycle('x', 'y', 'z') }}{% endfor %}", "xy"),
        ("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", "21"),
        ("{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2"),
        ("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "2"),
        ("{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"),
        ("{% set x %}a{{ 1 }}{% endset %}{{ x }}{% set y | upper %}b{% endset %}{{ y }}", "a1B"),
        (
            "{% macro turn(m, n=2) %}<{{ m.role }}{{ n }}>{% endmacro %}{{ turn(messages[1]) }}{{ turn(messages[0], n=3) }}",
            "<user2><user3>",
        ),
        ("{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "3210"),
        ("{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}", "2"),
        ("{% macro f(a) %}[{{ caller(a) }}]{% endmacro %}{% call(v) f(1) %}{{ v + 1 }}{% endcall %}", "[2]"),
        ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}", "3False"),
        ("{% filter trim %}  a {% endfilter %}b", "ab"),
        ("{% generation %}a{% endgeneration %}{# not printed #}", "a"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        (
            "{% set l = [] %}{% for i in range(3) %}{% set _ = l.append(i) %}{% endfor %}{{ l }}{{ l.pop(0) }}{{ l }}",
            "[0, 1, 2]0[1, 2]",
        ),
        (
            "{% set d = {} %}{% do d.update({'a': 1}) %}{% do d.update(b=2) %}{{ d }}{{ d.pop('a') }}{{ d }}",
            "{'a': 1, 'b': 2}1{'b': 2}",
        ),
        ("{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}", "role=user;content=Be brief.;"),
    ] {
        assert_eq!(rendered(template).as_deref(), Ok(want), "{template}");
    }
}

#[test]
fn a_turn_that_gemma_forgets_is_opened() {
    let template = |more: &str| format!("{{# <|tool_call>call: #}}x<turn|>\n{more}{{{{ '' }}}}");
    let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
    for (more, add, want) in
        [("", true, "x<turn|>\n<|turn>model\n"), ("", false, "x<turn|>\n"), ("y", true, "x<turn|>\ny")]
    {
        let options = RenderOptions { add_generation_prompt: add, ..options };
        assert_eq!(render(&template(more), "[]", &options).as_deref(), Ok(want), "{more} {add}");
    }
}

#[test]
fn failures_say_what_is_wrong() {
    let raised = rendered("{{ raise_exception('no system messages, please') }}");
    assert_eq!(raised, Err(PromptError::Raised("no system messages, please".into())));
    for (template, want) in [
        ("a\n{% if %}", "line 2: unexpected %}"),
        ("{% include 'etc/passwd' %}", "line 1: unexpected tag \"include\""),
        ("{% break %}", "line 1: unexpected tag \"break\""),
        ("{% if 1 %}", "line 1: endif is missing"),
        ("{{ 1 +", "line 1: a tag does not end"),
    ] {
        assert_eq!(rendered(template), Err(PromptError::BadTemplate(want.into())), "{template}");
    }
    for template in [
        "{{ 'x' | no_such_filter }}",
        "{{ messages[0].content.nope() }}",
        "{{ nothing() }}",
        "{{ [1] | tojson(indent=33) }}",
        "{{ strftime_now('%!') }}",
        "{{ 1 + 'a' }}",
        "{{ 1 // 0 }}",
        "{{ '%d' % 'a' }}",
        "{% set x.y = 1 %}",
    ] {
        let error = rendered(template).expect_err("a sentence");
        assert!(matches!(error, PromptError::Failed(_)), "{template}: {error}");
    }
    let huge = " ".repeat(GGUF_STRING_BYTES as usize + 1);
    assert!(matches!(Template::compile(&huge), Err(PromptError::BadTemplate(_))));
}

/// Each in a thread with less stack than a worker has, in bounded time.
#[test]
fn hostile_templates_end() {
    let often = |part: &str| part.repeat(20_000);
    let grow = |what: &str| {
        format!("{{% set ns = namespace(x='ab', y=[1]) %}}{{% for i in range(5000) %}}{what}{{% endfor %}}")
    };
    let templates = [
        "{% for i in range(90000) %}{% for j in range(90000) %}{{ i }}{% endfor %}{% endfor %}".to_owned(),
        "{% for i in range(70000) %}{{ 'x' * 1000 }}{% endfor %}".to_owned(),
        "{{ range(10 ** 12) }}{{ range(-10 ** 30, 10 ** 30, 10 ** 5) }}".to_owned(),
        "{{ 'ab' * 10 ** 18 }}".to_owned(),
        "{{ [1] * 10 ** 18 }}".to_owned(),
        "{{ 2 ** (10 ** 9) }}".to_owned(),
        "{{ '%1000000000d' % 1 }}".to_owned(),
        "{{ '{:>1000000000}'.format(1) }}".to_owned(),
        "{{ 'x'|indent(10 ** 9, true) }}".to_owned(),
        "{{ [1]|batch(10 ** 12, 0) }}".to_owned(),
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}".to_owned(),
        "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}".to_owned(),
        grow("{% set ns.x = ns.x ~ ns.x %}"),
        grow("{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
        grow("{% set ns.x = ns.x.replace('a', 'aaaa') %}"),
        grow("{% set ns.x = ns.x|replace('', 'aaaa') %}"),
        grow("{% set ns.x = (ns.x|e) ~ '<' %}{% set ns.x = ns.x ~ ns.x|tojson|tojson %}"),
        grow("{% set ns.y = ns.y + ns.y %}"),
        grow("{% set _ = ns.y.extend(ns.y) %}"),
        grow("{% set ns.y = [ns.y, ns.y] %}") + "{{ ns.y }}",
        grow("{% set ns.y = [ns.y] %}") + "{{ ns.y|tojson }}",
        grow("{% set ns.y = [ns.y] %}") + "{{ ns.y == [ns.y] }}{{ [ns.y, ns.y]|sort }}",
        grow("{% set ns.y = {'a': ns.y} %}") + "{{ ns.y }}",
        "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}".to_owned(),
        "{% set l = [] %}{% set _ = l.append(l) %}{% set m = [] %}{% set _ = m.append(m) %}{{ l == m }}".to_owned(),
        "{% set n = namespace() %}{% set n.n = n %}{{ n|tojson }}".to_owned(),
        format!("{{{{ {}1 }}}}", often("not ")),
        format!("{{{{ {}1 }}}}", often("-")),
        format!("{{{{ {}1{} }}}}", often("("), often(")")),
        format!("{{{{ {}{} }}}}", often("["), often("]")),
        format!("{{{{ {}1{} }}}}", often("{1:"), often("}")),
        format!("{{{{ 1{} }}}}", often(" + 1")),
        format!("{{{{ 1{} }}}}", often(" ** 1")),
        format!("{{{{ 1{} }}}}", often("|abs")),
        format!("{{{{ x{} }}}}", often(".a")),
        format!("{{{{ x{} }}}}", often("[0]")),
        format!("{{{{ x{} }}}}", often("()")),
        format!("{{{{ 1{} }}}}", often(" if 1 else 1")),
        format!("{{{{ 1{} }}}}", often(" or 1")),
        format!("{}{}", often("{% if 1 %}"), often("{% endif %}")),
        format!("{}x{}", often("{% for i in [1] %}"), often("{% endfor %}")),
    ];
    for template in templates {
        let shown: String = template.chars().take(120).collect();
        let start = Instant::now();
        let run = move || rendered(&template).map(|prompt| prompt.len());
        let outcome = std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread").join();
        let error = outcome.expect("it ends").expect_err(&shown);
        assert!(!error.to_string().is_empty());
        assert!(start.elapsed() < Duration::from_secs(20), "{shown}: {:?}", start.elapsed());
    }
}

/// What costs much, but not too much, is let through.
#[test]
fn long_templates_are_fine() {
    let long = format!("{}{{{{ 'a'{} }}}}", "{% if 1 %}b{% elif 0 %}c{% endif %}".repeat(5_000), " ~ 'a'".repeat(200));
    assert_eq!(rendered(&long).map(|prompt| prompt.len()), Ok(5_201));
    let deep = format!("{}x{}", "{% if 1 %}".repeat(150), "{% endif %}".repeat(150));
    assert_eq!(rendered(&deep).as_deref(), Ok("x"));
}

#[test]
fn messages_have_to_be_json() {
    let deep = "[".repeat(JSON_DEPTH_MAX) + &"]".repeat(JSON_DEPTH_MAX);
    for messages in ["", "[", "[}", "{}", &deep] {
        let error = render("x", messages, &options()).expect_err("not JSON");
        assert!(matches!(error, PromptError::BadMessages(_)), "{messages}: {error}");
    }
    let tools = RenderOptions { tools: Some("nope"), ..options() };
    assert!(matches!(render("x", "[]", &tools), Err(PromptError::BadTools(_))));
}

#[test]
fn a_model_without_a_template_gets_chatml() {
    let wanted = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <b>&<|im_end|>\n";
    assert_eq!(render(CHATML, MESSAGES, &options()), Ok(format!("{wanted}<|im_start|>assistant\n")));
    let finished = RenderOptions { add_generation_prompt: false, ..options() };
    assert_eq!(render(CHATML, MESSAGES, &finished).as_deref(), Ok(wanted));
    let calls = r#"[{"role":"assistant","content":null}]"#;
    assert_eq!(render(CHATML, calls, &finished).as_deref(), Ok("<|im_start|>assistant\n<|im_end|>\n"));
}

#[test]
fn options_reach_the_template() {
    let now = "2026-11-22T08:00:00[UTC]".parse().expect("a time");
    let tools = r#"[{"type":"function","strict":true,"function":{"name":"add","parameters":{"z":1,"b":2}}}]"#;
    let options = RenderOptions {
        enable_thinking: Some(false),
        reasoning_effort: Some("low"),
        tools: Some(tools),
        now: Some(&now),
        ..options()
    };
    for (template, want) in [
        ("{{ enable_thinking }} {{ reasoning_effort }} {{ reasoning_strength }}", "False low low"),
        (
            "{{ tools|tojson }}",
            r#"[{"type": "function", "function": {"name": "add", "description": "", "parameters": {"z": 1, "b": 2}}}]"#,
        ),
        (
            "{{ strftime_now('%d %B %Y') }}; {{ date_string }}; {{ datetime }}",
            "22 November 2026; 22 Nov 2026; Nov 22 2026",
        ),
    ] {
        assert_eq!(render(template, MESSAGES, &options).as_deref(), Ok(want));
    }
    let thinks = "{{ messages[-1].content }}{% if enable_thinking %}<think>{% endif %}";
    assert_eq!(rendered(thinks).as_deref(), Ok("Hi <b>&<think>"), "on unless it is told not to");
    let knows_not = "{% if enable_thinking is true %}yes {% endif %}{{ messages[-1].content }}";
    assert_eq!(rendered(knows_not).as_deref(), Ok("Hi <b>&"));
}

/// (what, template, messages, prompt)
#[test]
fn messages_are_adapted_to_the_template() {
    let each = |body: &str| format!("{{% for m in messages %}}{body}{{% endfor %}}");
    let call = r#"[{"role":"assistant","tool_calls":[{"id":"b","function":{"name":"f","arguments":"{\"x\": 1}"}}]}]"#;
    let calls = "{{ m.content }}{% for c in m.tool_calls %}{{ c.function.arguments";
    let results = r#"[{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"g"}}]},
        {"role":"tool","tool_call_id":"b","content":"{\"n\": 2}"},{"role":"tool","tool_call_id":"a","content":"one"},{"role":"assistant","content":"end"}]"#;
    let thought = r#"[{"role":"assistant","content":"c","reasoning_content":"r"}]"#;
    for (what, template, messages, want) in [
        (
            "no system role",
            each("{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}[{{ m.content }}]"),
            MESSAGES,
            "[Be brief.\nHi <b>&]",
        ),
        ("arguments as an object", each(&format!("{calls}.items()|list }}}}{{% endfor %}}")), call, "[('x', 1)]"),
        ("arguments printed as JSON", each(&format!("{calls}|tojson }}}}{{% endfor %}}")), call, r#"{"x": 1}"#),
        ("arguments as text", each(&format!("{calls} + '!' }}}}{{% endfor %}}")), call, r#"{"x": 1}!"#),
        ("arguments printed bare", each(&format!("{calls} }}}}{{% endfor %}}")), call, r#"{"x": 1}"#),
        (
            "contents in parts",
            each("{% for p in m.content %}<{{ p.text }}>{% endfor %}"),
            MESSAGES,
            "<Be brief.><Hi <b>&>",
        ),
        ("developers", each("{{ m.role }}:{{ m.content }}"), r#"[{"role":"developer","content":"a"}]"#, "system:a"),
        (
            "thinking by another name",
            each("{{ m.content }}{{ message.thinking }}{{ m.thinking }}")
                .replace("message.", "m.")
                .replace("{{ m.thinking }}{{", "{# message.thinking #}{{"),
            thought,
            "cr",
        ),
        (
            "results in order",
            each("{% if 'DSML' %}{# dsml_token #}{% endif %}{{ m.content }};"),
            results,
            ";one;{\"n\": 2};end;",
        ),
        (
            "results inside",
            each("{# '<|tool_call>call:' #}{{ m.tool_responses }}{{ m.content }}"),
            results,
            "[{'name': 'f', 'response': {'n': 2}}, {'name': 'g', 'response': 'one'}]end",
        ),
    ] {
        assert_eq!(render(&template, messages, &options()).as_deref(), Ok(want), "{what}");
    }
}

/// The template of SmolLM2-Instruct, which puts a system message in front where there is none.
#[test]
fn smollm2_renders() {
    let template = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
        {{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}\
        {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    let prompt = render(template, r#"[{"role":"user","content":"Hi"}]"#, &options());
    let wanted = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
        <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(prompt.as_deref(), Ok(wanted));
}
