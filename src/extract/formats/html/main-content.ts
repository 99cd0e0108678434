import { Readability } from "@mozilla/readability";
import { parseHTML } from "linkedom";

/** The page's main content as HTML, without navigation and boilerplate; undefined if none stands out. */
export function mainContent(html: string): string | undefined {
  try {
    const { document } = parseHTML(html);
    const article = new Readability(document as unknown as Document).parse();
    return article?.content && article.textContent?.trim() ? article.content : undefined;
  } catch {
    // Both libraries stumble over some pages that browsers show; the whole page is then the answer.
    return undefined;
  }
}
