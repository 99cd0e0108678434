/**
 * Documents whose expected text, or expected end, is surely not what they hold, each with the reason. They stay in the
 * figures; a second figure leaves them out.
 */
export const DOUBTS: Readonly<Record<string, string>> = {
  "stanley-cups.xlsx": "The expected text is that of the first sheet; the workbook has two.",
  "pptx_chart.pptx":
    "The expected text has the numbers of the first chart and leaves out those of the second.",
  "xlsx_comments.xlsx": "The expected text leaves out one of the comments of the sheet.",
  "powerpoint_sample.pptx": "The expected text leaves out the notes of the speaker.",
  "odf_presentation_01.odp": "The expected text leaves out the notes of the speaker.",
  "legacy_sample.xls":
    "The expected text leaves out the name of the sheet, which those of the XLSX documents have.",
  "odf_table_with_title_01.ods":
    "The expected text leaves out the name of the sheet, which those of the XLSX documents have.",
  "docx_comments.docx": "The expected text leaves out the comments, which the document is about.",
  "pone.0234687.nxml":
    "The expected text glues surname and initials of authors, and words and the signs above or below the line, into one word.",
  "failure-after-repair.pdf":
    "It is expected to be refused. Its cross-reference table is broken, its 76 pages are not: pdftotext and PDFium read them too.",
};
