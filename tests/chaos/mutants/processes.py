"""Mutants of what keeps a process fit to run for years: rows that go, addresses that are heard, policies of its pages."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

RETENTION = "tests/integration/shop_edge/test_retention.py"
POLICIES = "tests/security/test_policies.py"
DRAINING = "tests/deploy/test_draining.py"

MUTANTS = (
    Mutant(
        removes="the clearing of sessions that have expired",
        promise="edge",
        file="shop/tasks.py",
        old='    return retention.delete_expired("shop", Session.objects.all(), moment="expire_date")\n',
        new="    return 0\n",
        killers=(f"{RETENTION}::test_sessions_that_have_expired_go",),
    ),
    Mutant(
        removes="the moment at which a session has expired",
        promise="edge",
        file="shop/retention.py",
        old='            expired = rows.filter(**{f"{moment}__lt": Now()})\n',
        new="            expired = rows\n",
        killers=(f"{RETENTION}::test_sessions_that_have_expired_go",),
    ),
    Mutant(
        removes="the bound of a transaction that deletes what has expired",
        promise="edge",
        file="shop/retention.py",
        old="            last = expired.order_by(moment).values_list(moment, flat=True)[BATCH - 1 : BATCH].first()\n",
        new="            last = None\n",
        killers=(RETENTION,),
    ),
    Mutant(
        removes="the bound of a transaction that deletes what is past its retention",
        promise="edge",
        file="shop/retention.py",
        old="        if last is not None:\n            rows = rows.filter(pk__lte=last[0])\n",
        new="",
        killers=(RETENTION,),
    ),
    Mutant(
        removes="the time that a pruning has",
        promise="edge",
        file="shop/retention.py",
        old="    while not pruning.finished and time.monotonic() < deadline:\n",
        new="    while not pruning.finished:\n",
        killers=(RETENTION,),
    ),
    Mutant(
        removes="the time that the deleting of what has expired has",
        promise="edge",
        file="shop/retention.py",
        old="        if last is None or time.monotonic() >= deadline:\n",
        new="        if last is None:\n",
        killers=(RETENTION,),
    ),
    Mutant(
        removes="the retention of kept answers",
        promise="I7",
        file="shop/retention.py",
        old='    old = Q(**{f"{pruning.age}__lt": Now() - pruning.kept})\n',
        new='    old = Q(**{f"{pruning.age}__lt": Now()})\n',
        killers=("tests/integration/shop_edge/test_idempotency.py::test_kept_answers_go_after_their_retention",),
    ),
    Mutant(
        removes="the refusal of a mail folder that nobody named",
        promise="edge",
        file="config/mail.py",
        old="        if not path:\n",
        new="        if False:\n",
        killers=("tests/unit/config/test_mail.py::test_an_address_without_a_folder_is_refused",),
    ),
    Mutant(
        removes="IPv6 from what a process of a container hears",
        promise="edge",
        file="docker/gunicorn.conf.py",
        old="bind = [f\"[{any_address()}]:{os.environ.get('PORT', '8000')}\"]\n",
        new="bind = [f\"0.0.0.0:{os.environ.get('PORT', '8000')}\"]\n",
        killers=(f"{DRAINING}::test_both_families_are_heard_and_a_caller_by_ipv4_is_named_by_it",),
    ),
    Mutant(
        removes="the IPv4 address of a caller on a socket of both families",
        promise="edge",
        file="shop/draining.py",
        old="        if address.startswith(_IPV4_INSIDE_IPV6):\n",
        new="        if False:\n",
        killers=(f"{DRAINING}::test_both_families_are_heard_and_a_caller_by_ipv4_is_named_by_it",),
    ),
    Mutant(
        removes="IPv6 from the port of metrics",
        promise="edge",
        file="shop/observability/metrics.py",
        old="    start_http_server(port, addr=any_address(), registry=registry)\n",
        new='    start_http_server(port, addr="0.0.0.0", registry=registry)\n',
        killers=("tests/integration/shop_edge/test_metrics.py", DRAINING),
    ),
    Mutant(
        removes="IPv6 from the port of probes",
        promise="edge",
        file="docker/gunicorn.conf.py",
        old="        address = any_address()\n",
        new='        address = "0.0.0.0"\n',
        killers=("tests/integration/shop_edge/test_probes.py", DRAINING),
    ),
    Mutant(
        removes="the connections that wait to be accepted as a process stops",
        promise="edge",
        file="shop/draining.py",
        old="                    self.accept(listener)  # type: ignore[no-untyped-call]\n",
        new="                    break\n",
        killers=(DRAINING,),
    ),
    Mutant(
        removes="the policy of the page of the API's description",
        promise="edge",
        file="shop/rest/policies.py",
        old="        response[HEADER] = DOCS\n",
        new="",
        killers=(f"{POLICIES}::test_the_page_of_the_description_passes_its_policy_and_its_script_is_apart",),
    ),
    Mutant(
        removes="the policy of the pages of problems: that of the admin is theirs",
        promise="edge",
        file="shop/rest/policies.py",
        old='ADMIN if request.path.startswith(reverse("admin:index")) else PAGE)\n',
        new="ADMIN)\n",
        killers=(
            f"{POLICIES}::test_pages_of_problems_run_nothing",
            f"{POLICIES}::test_expressions_are_evaluated_in_the_admin_alone",
        ),
    ),
    Mutant(
        removes="the ban on frames from every page",
        promise="edge",
        file="shop/rest/policies.py",
        old="; frame-ancestors 'none'\"\n",
        new="; frame-ancestors 'self'\"\n",
        killers=(f"{POLICIES}::test_other_pages_of_the_admin_pass_their_policy",),
    ),
    Mutant(
        removes="what a form of ours may be sent to",
        promise="edge",
        file="shop/rest/policies.py",
        old="; form-action 'self'",
        new="",
        killers=(POLICIES,),
    ),
    Mutant(
        removes="the policy of pages",
        promise="edge",
        file="shop/rest/policies.py",
        old='        if is_page and response.get("Content-Type", "").startswith("text/html"):\n',
        new="        if False:\n",
        killers=(f"{POLICIES}::test_other_pages_of_the_admin_pass_their_policy",),
    ),
)
