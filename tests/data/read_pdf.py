"""Prints what a reader that is not ours (pypdf) finds in a PDF, page by page. Usage: read_pdf.py FILE"""
import sys

from pypdf import PdfReader

reader = PdfReader(sys.argv[1], strict=True)
print(reader.metadata.title)
for page in reader.pages:
    print(page.extract_text())
