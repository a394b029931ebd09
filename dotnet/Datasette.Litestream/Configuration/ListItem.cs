using System.Text.Json;

namespace Datasette.Litestream.Configuration;

/// <summary>One item of a list in the configuration.</summary>
/// <param name="value">Its value.</param>
/// <param name="path">Its key path.</param>
/// <remarks>This is not a record, since the ToString that the compiler generates would print secrets.</remarks>
internal sealed class ListItem(JsonElement value, string path)
{
    public JsonElement Value => value;

    public string Path => path;

    public static IReadOnlyList<ListItem> Of(JsonElement list, string path)
    {
        var items = new List<ListItem>();
        foreach (var value in list.EnumerateArray())
        {
            items.Add(new ListItem(value, $"{path}[{items.Count}]"));
        }

        return items;
    }
}
