"""Chromium, as the tests of the web UI drive it."""
import contextlib
import decimal
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import servers  # noqa: E402

MODULES = {"playwright": "1.65.2", "greenlet": "3.5.6", "pyee": "13.0.1", "typing_extensions": "4.16.0",
           "axe-playwright-python": "0.1.8"}


class Browser:
    """Chromium, whose pages may not say a word on their console."""

    def __init__(self, playwright, shots=None):
        self.browser = playwright.chromium.launch(executable_path=shutil.which("chromium"),
                                                  args=["--no-sandbox", "--disable-gpu"])
        self.shots = shots

    @contextlib.contextmanager
    def page(self, url, width=1440, height=900, theme="dark", may_fail=False, user=None):
        """`user`: (name, password), for the browser to give when it is asked."""
        context = self.browser.new_context(viewport={"width": width, "height": height},
                                           http_credentials=user and {"username": user[0], "password": user[1]})
        page = context.new_page()
        page.set_default_timeout(30_000)
        said, page.requested = [], []
        page.on("pageerror", lambda error: said.append(f"{error}"))
        page.on("console", lambda line: line.type == "error" and said.append(line.text))
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(f"{url}{'&' if '?' in url else '?'}theme={theme}")
        try:
            yield page
            wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wider <= 0, f"{url} is {wider} pixels wider than the window"
            assert may_fail or not said, f"{url}: {said}"
            elsewhere = [each for each in page.requested if not each.startswith((re.match(r"https?://[^/]+", url)[0], "data:", "blob:"))]
            assert not elsewhere, elsewhere
        finally:
            context.close()

    def keep(self, page, name):
        if self.shots:
            page.screenshot(path=str(self.shots / f"{name}.png"))


def text_of(page, selector):
    return page.locator(selector).first.inner_text()


def number_in(text):
    return int(re.sub(r"[^\d]", "", text))


def numbers(cells):
    """Of cells of a table; a point, or nothing, is none."""
    return [0 if cell in ("·", "–", "") else number_in(cell) for cell in cells]


def eventually(page, condition, what):
    m.wait_until(lambda: condition() or page.wait_for_timeout(50), what, timeout=30)


def fixed(number, digits=0):
    """As toFixed() of JavaScript has it."""
    return f"{decimal.Decimal(number).quantize(decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP)}"


def num(n):
    """A number as src/fmt.ts shortens it."""
    if abs(n) < 1000:
        return fixed(n, 1) if abs(n) < 10 and n % 1 else fixed(n)
    unit, letter = (1e9, "B") if abs(n) >= 1e9 else (1e6, "M") if abs(n) >= 1e6 else (1e3, "k")
    return f"{fixed(n / unit, 1 if abs(n / unit) < 100 else 0)} {letter}"


def dur(ms):
    """Milliseconds as src/fmt.ts has them, up to a day."""
    if not ms:
        return "0"
    for most, text in ((1, f"{fixed(ms * 1000)} µs"), (10, f"{fixed(ms, 1)} ms"), (1000, f"{fixed(ms)} ms"),
                       (10_000, f"{fixed(ms / 1000, 2)} s"), (100_000, f"{fixed(ms / 1000, 1)} s"),
                       (3_600_000, f"{int(ms // 60_000)} m {int(ms / 1000 % 60):02} s")):
        if ms < most:
            return text
    return f"{int(ms // 3_600_000)} h {int(ms // 60_000 % 60):02} m"


@contextlib.contextmanager
def browsing(shots=None):
    """A Browser."""
    servers.modules(MODULES)
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = Browser(playwright, shots)
        try:
            yield browser
        finally:
            browser.browser.close()


def case(report, function, *arguments):
    """Runs a case; a time-out of the browser is a failure of it."""
    from playwright.sync_api import Error

    def checked():
        try:
            function(*arguments)
        except Error as error:
            raise m.Failed(f"{error}") from error
    report.case(function.__name__, checked)
