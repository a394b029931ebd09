using System.Text;

namespace Datasette.Litestream.Credentials;

/// <summary>
/// Splits a command line into words as a POSIX shell does - quotes and backslashes, nothing else: no variables, no globs,
/// no operators. Source: <see href="https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02"/>.
/// </summary>
internal static class ShellWords
{
    /// <exception cref="FormatException">A quote is not closed, or a backslash is the last character.</exception>
    public static IReadOnlyList<string> Split(string line)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        for (var i = 0; i < line.Length; i++)
        {
            switch (line[i])
            {
                case '\\' when IsContinued(i):
                    i++;
                    break;
                case ' ' or '\t' or '\n' or '\r':
                    Finish();
                    break;
                case '\'':
                    var end = line.IndexOf('\'', i + 1);
                    (word ??= new StringBuilder()).Append(line, i + 1, (end < 0 ? throw Unclosed('\'') : end) - i - 1);
                    i = end;
                    break;
                case '"':
                    word ??= new StringBuilder();
                    for (i++; i < line.Length && line[i] != '"'; i++)
                    {
                        if (IsContinued(i))
                        {
                            i++;
                            continue;
                        }

                        // Within double quotes, a backslash is an escape only before these characters.
                        if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] is '"' or '\\' or '$' or '`')
                        {
                            i++;
                        }

                        word.Append(line[i]);
                    }

                    _ = i < line.Length ? 0 : throw Unclosed('"');
                    break;
                case '\\':
                    (word ??= new StringBuilder()).Append(++i < line.Length ? line[i] : throw new FormatException("ends with a backslash"));
                    break;
                default:
                    (word ??= new StringBuilder()).Append(line[i]);
                    break;
            }
        }

        Finish();
        return words;

        // A backslash at the end of a line joins the line with the next one.
        bool IsContinued(int i) => line[i] == '\\' && i + 1 < line.Length && line[i + 1] == '\n';

        void Finish()
        {
            if (word is not null)
            {
                words.Add(word.ToString());
                word = null;
            }
        }

        static FormatException Unclosed(char quote) => new($"has a {quote} that is not closed");
    }
}
