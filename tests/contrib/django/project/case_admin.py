"""The admin pages."""

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from helpers import JobCase

from spacer_like.contrib.django.models import SpacerJob

LIST = "admin:spacer_like_spacerjob_changelist"
MESSAGE_COLUMN = '"spacer_like_spacerjob"."message"'


class AdminCase(JobCase):
    def setUp(self):
        super().setUp()
        self.client.force_login(User.objects.create_superuser("root"))

    def act(self, action, *rows):
        data = {"action": action, "_selected_action": [row.pk for row in rows]}
        return self.client.post(reverse(LIST), data, follow=True).content.decode()

    def log_in_with(self, *permissions):
        user = User.objects.create_user("helper", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(user)


class TheList(AdminCase):
    def test_jobs_are_listed_filtered_retried_and_cancelled(self):
        failing = self.queue.submit_job(self.job("a", image="absent.png"), "one")
        self.collected()
        waiting = self.queue.submit_job(self.job("b", does="wait"), "two")
        page = self.client.get(reverse(LIST), {"status__exact": "failed", "q": "absent"})
        self.assertContains(page, ">one<")
        self.assertNotContains(page, ">two<")
        assert "1 retried." in self.act("retry_jobs", failing)
        self.collected()
        failing.refresh_from_db()
        assert (failing.status, failing.attempt) == ("failed", 2)
        page = self.act("cancel_jobs", failing, waiting)
        assert "1 cancelled." in page
        assert "it cannot be cancelled" in page
        assert SpacerJob.objects.get(job_id="two").status == "cancelled"

    def test_jobs_are_collected(self):
        row = self.queue.submit_job(self.job("a"), 1)
        self.wait_for(lambda: "1 ended." in self.act("collect_jobs", row))
        assert SpacerJob.objects.get().status == "succeeded"
        assert "0 ended." in self.act("collect_jobs", row)
        assert [name for name, *_ in self.sent] == ["succeeded"]

    def test_only_those_who_may_change_jobs_act(self):
        row = self.queue.submit_job(self.job("a", does="wait"), 1)
        self.log_in_with("view_spacerjob")
        self.assertContains(self.client.get(reverse(LIST)), "extract_features")
        for action in ("retry_jobs", "cancel_jobs", "collect_jobs"):
            self.act(action, row)
        assert SpacerJob.objects.get().status == "submitted"
        self.client.force_login(User.objects.get(username="root"))
        assert "1 cancelled." in self.act("cancel_jobs", row)

    def test_jobs_are_not_made_here(self):
        assert self.client.get(reverse("admin:spacer_like_spacerjob_add")).status_code == 403

    def test_messages_are_not_read_for_the_list_nor_by_collecting(self):
        for number in range(3):
            self.queue.submit_job(self.job(str(number), does="wait"), number)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            self.client.get(reverse(LIST))
            self.queue.collect_jobs(list(self.queue.get_collectable_jobs()))
            list(self.queue.get_collectable_jobs())
        assert len(queries) > 5
        assert [query["sql"] for query in queries if MESSAGE_COLUMN in query["sql"]] == []
        self.act("cancel_jobs", *SpacerJob.objects.all())
