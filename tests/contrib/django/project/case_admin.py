"""The admin pages."""

from django.contrib.auth.models import User
from django.urls import reverse
from helpers import JobCase

from spacer_like.contrib.django.models import SpacerJob

LIST = "admin:spacer_like_spacerjob_changelist"


class TheAdmin(JobCase):
    def setUp(self):
        super().setUp()
        self.client.force_login(User.objects.create_superuser("root"))

    def act(self, action, *rows):
        data = {"action": action, "_selected_action": [row.pk for row in rows]}
        return self.client.post(reverse(LIST), data, follow=True).content.decode()

    def test_jobs_are_listed_filtered_retried_and_cancelled(self):
        failing = self.queue.submit_job(self.job("a", image="absent.png"), "one")
        self.collected()
        waiting = self.queue.submit_job(self.job("b", does="wait"), "two")
        self.assertContains(self.client.get(reverse(LIST)), "2 jobs", count=0)
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

    def test_the_message_and_the_result_are_shown_escaped(self):
        job = self.queue.submit_job(self.job("<script>x</script>"), "<b>")
        self.collected()
        page = self.client.get(reverse("admin:spacer_like_spacerjob_change", args=[job.pk])).content.decode()
        assert "&lt;script&gt;x&lt;/script&gt;" in page
        assert "&quot;ok&quot;:" in page
        assert "<script>x" not in page
        assert "<b>" not in page

    def test_jobs_are_not_made_here(self):
        assert self.client.get(reverse("admin:spacer_like_spacerjob_add")).status_code == 403
