"""Web pages: the main text as Markdown, without menus."""

import trafilatura

from context.extract.base import Extracted


def read(html: str) -> Extracted:
    title = ""
    text = trafilatura.extract(html, output_format="markdown", include_comments=False, favor_recall=True) or ""
    if metadata := trafilatura.extract_metadata(html):
        title = metadata.title or ""
    return Extracted(text or trafilatura.html2txt(html), title)
